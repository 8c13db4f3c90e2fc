package activities

import (
	"context"
	"slices"
	"time"
	"unicode/utf8"

	"rotor/internal/rotation"
	"rotor/internal/target"
)

// LookInput asks what there is.
type LookInput struct {
	Request rotation.Request
	// Version is the id that the rotation's version will have.
	Version string
}

// adminReread is how long a refused admin login is given before the admin secret is read again: it may be in the
// middle of a rotation of its own.
const adminReread = time.Second

// Look collects what the rotation stands on and runs every check that can be run without a change. What fails
// permanently here is a refusal.
func (r *Rotation) Look(ctx context.Context, in LookInput) (rotation.Plan, error) {
	req, err := in.Request.Validate()
	if err != nil {
		return rotation.Plan{}, err
	}
	s, err := r.scene(rotation.Plan{
		Store: req.Store, Region: req.RegionId, Secret: req.Name(), Target: req.Target(), Instance: req.InstanceId,
		Version: in.Version, PasswordLength: req.PasswordLength, LongestAttempt: r.LongestAttempt,
	})
	if err != nil {
		return rotation.Plan{}, err
	}
	return s.look(ctx, req)
}

func (s *scene) look(ctx context.Context, req rotation.Request) (rotation.Plan, error) {
	current, err := s.store.ReadCurrent(ctx, s.ref)
	if err != nil {
		return rotation.Plan{}, err
	}
	doc, err := rotation.ParseDocument(s.ref.Name, s.store.Traits().Dialect, current.Data)
	if err != nil {
		return rotation.Plan{}, err
	}
	versions, err := s.versions(ctx)
	if err != nil {
		return rotation.Plan{}, err
	}
	if versions.Holder(rotation.Current) != current.Version {
		return rotation.Plan{}, rotation.Errorf(rotation.Retryable, "secret %s: the store's answers about its current version differ", s.ref.Name)
	}
	p := &s.plan
	if current.Version == p.Version {
		return s.finished(doc, versions), nil
	}
	p.Base = current.Version
	if pending := versions.Holder(rotation.Pending); pending != "" && pending != p.Base && pending != p.Version {
		p.StalePending = pending
		p.Notes = append(p.Notes, "an unfinished rotation left version "+pending+" pending; it is taken over")
	}
	if p.Strategy, err = strategyOf(req, doc, s.ref.Name); err != nil {
		return rotation.Plan{}, err
	}
	if err := s.checkGrace(req, current.Created); err != nil {
		return rotation.Plan{}, err
	}
	p.Account, p.Admin, p.Address = doc.Account, doc.Admin, doc.Place.Address()
	p.Standby = doc.Pair().Standby(doc.Account)
	if err := s.lookAtTarget(ctx, req, doc, versions); err != nil {
		return rotation.Plan{}, err
	}
	return *p, versions.CheckRoom(s.store.Traits().KeepsVersions, p.Restore)
}

// finished is the plan of a rotation whose version is current already: the workflow was reset to its beginning. What is
// left is End's last look.
func (s *scene) finished(doc *rotation.Document, versions rotation.Versions) rotation.Plan {
	p := s.plan
	p.Base, p.Strategy, p.Admin = versions.Holder(rotation.Previous), rotation.DualAccount, doc.Admin
	p.Account, p.Standby, p.Address = doc.Pair().Standby(doc.Account), doc.Account, doc.Place.Address()
	p.Notes = append(p.Notes, "the version of this rotation was current already when it looked")
	return p
}

// strategyOf takes the strategy from the request, else from the document.
func strategyOf(req rotation.Request, doc *rotation.Document, secret string) (rotation.Strategy, error) {
	strategy := req.Strategy
	if strategy == "" {
		strategy = rotation.SingleUser
		if doc.Admin != "" {
			strategy = rotation.DualAccount
		}
	}
	switch {
	case strategy != rotation.DualAccount:
		return "", rotation.FieldError("Strategy", "%s is not available; available: %s, for a secret whose document names an admin secret (MasterSecret)",
			strategy, rotation.DualAccount)
	case doc.Admin == "":
		return "", rotation.FieldError("secret "+secret, "strategy %s needs an admin secret; name it in field MasterSecret of the document", strategy)
	}
	return strategy, nil
}

// checkGrace refuses to take a password away from clients that may still hold it. The age of the version is known, not
// when it became current; a version that was long on its way is younger than it looks.
func (s *scene) checkGrace(req rotation.Request, created time.Time) error {
	if req.Now {
		return nil
	}
	if left := req.GraceTime() - s.Now().Sub(created); left > 0 {
		return rotation.Errorf(rotation.Permanent, "the current version of secret %s is younger than the grace time of %s: clients may still use the "+
			"credential before it, which this rotation would replace; wait %s more, or ask for it with Now (--now)",
			s.ref.Name, req.GraceTime(), left.Round(time.Second))
	}
	return nil
}

func (s *scene) lookAtTarget(ctx context.Context, req rotation.Request, doc *rotation.Document, versions rotation.Versions) error {
	p := &s.plan
	proof := s.target.Probe(ctx, loginOf(doc))
	if err := mustLogIn(proof, rotation.Errorf(rotation.Permanent, "the current version of secret %s does not log in as %s; "+
		"put the password that works into the secret, then rotate", s.ref.Name, doc.Account)); err != nil {
		return err
	}
	p.Server, p.TLS = proof.Server, proof.TLS
	survey, err := s.survey(ctx, doc)
	if err != nil {
		return err
	}
	if survey.Server != proof.Server {
		return rotation.Errorf(rotation.Permanent, "the current login and the admin secret %s reach different servers behind the same address; "+
			"give both documents an Endpoint that always leads to the server that takes changes", p.Admin)
	}
	if n := utf8.RuneCountInString(p.Standby); n > survey.MaxAccountLength {
		return rotation.Errorf(rotation.Permanent, "account %s would have %d characters, the server allows %d; use an account with a shorter name",
			p.Standby, n, survey.MaxAccountLength)
	}
	p.Notes = append(p.Notes, survey.Notes...)
	if p.StandbyExists = survey.StandbyExists; p.StandbyExists {
		if err := s.findRestore(ctx, req, versions); err != nil {
			return err
		}
	}
	if survey.KeepsPasswords && p.Restore != "" && !req.AcceptPasswordHistory {
		return rotation.FieldError("AcceptPasswordHistory", "the server's password history would forbid giving account %s its former password back "+
			"(error 3638), so a rollback could not restore it; accept that with AcceptPasswordHistory, or switch the policy off for this account", p.Standby)
	}
	return nil
}

// survey looks with the admin secret. A refused login is tried once more with the secret read anew.
func (s *scene) survey(ctx context.Context, doc *rotation.Document) (target.Survey, error) {
	for again := false; ; again = true {
		admin, err := s.admin(ctx, doc.Admin)
		if err != nil {
			return target.Survey{}, err
		}
		if !admin.Place.SameServer(doc.Place) {
			return target.Survey{}, rotation.FieldError("secret "+s.ref.Name, "its Endpoint and Port and those of the admin secret %s differ; "+
				"the admin secret must lead to the same server", doc.Admin)
		}
		if doc.Pair().Standby(doc.Account) == admin.Account || doc.Account == admin.Account {
			return target.Survey{}, rotation.FieldError("secret "+s.ref.Name, "the admin secret %s is of the account pair that would be rotated", doc.Admin)
		}
		survey, err := s.target.Survey(ctx, admin, doc.Pair(), doc.Account)
		if rotation.CodeOf(err) != errBadLogin {
			return survey, err
		}
		if again {
			return target.Survey{}, rotation.Errorf(rotation.Permanent, "the admin secret %s does not log in as %s", doc.Admin, admin.Account).WithCode(errBadLogin)
		}
		if err := s.Pause(ctx, adminReread); err != nil {
			return target.Survey{}, err
		}
	}
}

// findRestore finds the version whose password the standby account has: previous if it names the account, else the
// newest that logs in. Wrong passwords count on the server, so each is tried once, and the likeliest first.
func (s *scene) findRestore(ctx context.Context, req rotation.Request, versions rotation.Versions) error {
	p := &s.plan
	candidates := make([]string, 0, len(versions))
	if previous := versions.Holder(rotation.Previous); previous != "" {
		candidates = append(candidates, previous)
	}
	for _, v := range versions {
		if v.ID != p.Base && v.ID != p.Version && !slices.Contains(candidates, v.ID) {
			candidates = append(candidates, v.ID)
		}
	}
	var tried []rotation.Secret
	for _, id := range candidates {
		doc, err := s.document(ctx, id)
		if err != nil && rotation.KindOf(err) == rotation.Permanent {
			continue // not a document of this kind, or dropped meanwhile
		}
		if err != nil {
			return err
		}
		if doc.Account != p.Standby || slices.ContainsFunc(tried, doc.Password.Equal) {
			continue
		}
		tried = append(tried, doc.Password)
		proof := s.target.Probe(ctx, loginOf(doc))
		switch proof.Answer {
		case rotation.Accepted:
			p.Restore = id
			return nil
		case rotation.Unknown:
			return mustLogIn(proof, nil)
		}
	}
	if _, begun := versions.Find(p.Version); begun {
		// The workflow was reset to its beginning after Set: the account may have this rotation's password.
		proof, err := s.probe(ctx, p.Version)
		if err != nil {
			return err
		}
		if proof.Answer == rotation.Accepted {
			return nil
		}
	}
	if req.AdoptStandby {
		p.Notes = append(p.Notes, "account "+p.Standby+" existed and no version of the secret logs in to it; it is adopted as asked")
		return nil
	}
	return rotation.Errorf(rotation.Permanent, "account %s exists, and no version of secret %s logs in to it, so it may be somebody else's; "+
		"drop it if it is not needed, or take it over with AdoptStandby", p.Standby, s.ref.Name)
}
