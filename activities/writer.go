package activities

import (
	"cmp"
	"context"
	"strings"

	"rotor/internal/rotation"
	"rotor/internal/secretstore"
	"rotor/internal/target"
)

// errReadOnly is MySQL's number for a server that takes no changes.
const errReadOnly = "1290"

// endpoints gives the store's way to ask for a database's addresses, nil if it has none. An instance of an API has no documents with
// addresses to understand.
func (s *scene) endpoints() secretstore.Endpoints {
	if s.target.Traits().APIAdmin {
		return nil
	}
	cloud, _ := s.store.(secretstore.Endpoints)
	return cloud
}

// parseAdmin reads the document of the admin secret. One that the cloud keeps itself names no address.
func (s *scene) parseAdmin(name string, v secretstore.Value) (*rotation.Document, error) {
	dialect := s.dialect()
	dialect.HostOptional = dialect.HostOptional || s.endpoints() != nil
	return s.parseAs(dialect, name, v)
}

// atWriter is a place, or the one that takes changes, where a cloud was asked.
func (s *scene) atWriter(place rotation.Place) rotation.Place {
	if s.plan.Writer == nil {
		return place
	}
	return place.At(s.plan.Writer.Host, s.plan.Writer.Port)
}

// findWriter asks the cloud which address takes the changes, where the admin's document does not name the same address as the
// secret's: one is a replica's, or a cluster's reader endpoint, or the cloud keeps the admin and its document has no address.
func (s *scene) findWriter(ctx context.Context, doc *rotation.Document) error {
	cloud := s.endpoints()
	if cloud == nil || s.plan.Admin == "" {
		return nil
	}
	admin, err := s.adminDocument(ctx)
	if err != nil || admin.Place.SameServer(doc.Place) {
		return err
	}
	writer, err := cloud.Writer(ctx, s.ref.Region, doc.Place)
	if err != nil {
		return s.differs(doc, admin, err)
	}
	if admin.Place.Host == "" {
		if !isNamed(s.plan.Admin, writer.AdminSecret) {
			return rotation.FieldError("secret "+s.plan.Secret, "the admin secret %s names no host, and it is not the one in which RDS keeps the admin of "+
				"the database at %s", doc.Admin, doc.Place.Address()).
				Advise("name that one in %s, or add engine, host and port to the admin secret", s.store.Traits().Dialect.Admin).Found(rotation.FindingAdminAddress)
		}
		return s.goTo(writer, doc)
	}
	other, err := cloud.Writer(ctx, s.ref.Region, admin.Place)
	if err != nil {
		return s.differs(doc, admin, err)
	}
	if other.Port != writer.Port || !strings.EqualFold(other.Host, writer.Host) {
		return s.differs(doc, admin, nil)
	}
	return s.goTo(writer, doc)
}

// isNamed says whether the name of a secret, which may be an ARN with or without the six characters at its end, is that of the ARN.
func isNamed(name, arn string) bool {
	if arn == "" {
		return false
	}
	whole := arn[strings.LastIndexByte(arn, ':')+1:]
	short, suffix := whole, strings.LastIndexByte(whole, '-')
	if suffix > 0 {
		short = whole[:suffix]
	}
	return name == arn || name == strings.TrimSuffix(arn, whole)+short || name == whole || name == short
}

// differs refuses two documents that lead to different databases, or of which that can't be found out. What can be found out later
// stays retryable.
func (s *scene) differs(doc, admin *rotation.Document, why error) error {
	if why != nil && rotation.KindOf(why) == rotation.Retryable {
		return why
	}
	d, also := s.store.Traits().Dialect, ""
	if why != nil {
		also = " (" + why.Error() + ")"
	}
	if admin.Place.Host == "" {
		return rotation.FieldError("secret "+s.plan.Secret, "the admin secret %s names no %s, so RDS was asked about that of the secret%s",
			doc.Admin, d.Host, also).WithCode(rotation.CodeOf(why)).Found(rotation.FindingAdminAddress)
	}
	return rotation.FieldError("secret "+s.plan.Secret, "its %s and %s and those of the admin secret %s differ, and are not known to be addresses of "+
		"the same database; the admin secret must lead to the same database%s", d.Host, d.Port, doc.Admin, also).WithCode(rotation.CodeOf(why)).Found(rotation.FindingAdminAddress)
}

func (s *scene) goTo(writer secretstore.Writer, doc *rotation.Document) error {
	p := &s.plan
	p.Writer = &rotation.Address{Host: writer.Host, Port: writer.Port}
	p.Address = s.login(doc).Place.Address()
	if !doc.Place.SameServer(s.atWriter(doc.Place)) {
		s.note(rotation.WarningReader, "the secret's own address, "+doc.Place.Address()+", is a reader's; changes are made at "+p.Address+", and the new "+
			"password is tried at both")
	}
	return nil
}

// lookAt lets the strategy look. Where the secret's address takes no changes, and the cloud knows another one of the same database
// that does, it looks there.
func (s *scene) lookAt(ctx context.Context, req rotation.Request, doc *rotation.Document, versions rotation.Versions) error {
	if err := s.findWriter(ctx, doc); err != nil {
		return rotation.Named(rotation.FindingAdminAddress, err)
	}
	before, mark := s.plan, s.findings.Mark()
	err := s.method.look(ctx, req, doc, versions)
	if rotation.CodeOf(err) == errReadOnly && s.plan.Writer == nil && s.endpoints() != nil {
		s.findings.Back(mark)
		err = s.lookAtWriter(ctx, req, doc, versions, before, err)
	}
	if err != nil || s.plan.Adopted {
		return err
	}
	if s.plan.Strategy == rotation.SingleUser {
		// Which of its passwords the account has was found out at the writer.
		return s.findings.Problem(rotation.FindingClientLogin, s.tryAsClient(ctx, doc, nil))
	}
	return s.findings.Problem(rotation.FindingClientLogin, s.tryAsClient(ctx, doc, s.currentRefused(doc)))
}

func (s *scene) lookAtWriter(ctx context.Context, req rotation.Request, doc *rotation.Document, versions rotation.Versions, before rotation.Plan,
	refused error) error {
	writer, err := s.endpoints().Writer(ctx, s.ref.Region, doc.Place)
	switch {
	case err != nil && rotation.KindOf(err) == rotation.Retryable:
		return err
	case err != nil:
		return rotation.Errorf(rotation.Permanent, "%s (%s)", refused, err).WithCode(cmp.Or(rotation.CodeOf(err), errReadOnly)).Found(rotation.FindingReadOnly)
	}
	s.plan = before
	if err := s.goTo(writer, doc); err != nil {
		return err
	}
	return s.method.look(ctx, req, doc, versions)
}

// tryAsClient logs in where clients do, if that is not where the changes are made. What a refused login means is the caller's to say;
// nil: nothing.
func (s *scene) tryAsClient(ctx context.Context, d *rotation.Document, refused *rotation.Error) error {
	if s.plan.Writer == nil || d.Place.SameServer(s.atWriter(d.Place)) {
		return nil
	}
	proof := s.target.Probe(ctx, target.Login{Place: d.Place, Account: d.Account, Password: d.Password, Version: d.Version})
	if refused == nil && proof.Answer == rotation.RefusedLogin {
		return nil
	}
	return mustLogIn(proof, refused)
}
