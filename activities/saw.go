package activities

import (
	"cmp"
	"fmt"
	"strings"

	"rotor/internal/rotation"
	"rotor/internal/target"
)

// What a look says to the findings of a check. In a rotation there are none, and nobody hears it.

func (s *scene) sawSecret(doc *rotation.Document, versions rotation.Versions) {
	room := fmt.Sprintf("%d versions", len(versions))
	if len(versions) == 1 {
		room = "1 version"
	}
	if keeps := s.store.Traits().KeepsVersions; keeps > 0 {
		room += fmt.Sprintf(" of %d", keeps)
	}
	for _, stage := range []rotation.Stage{rotation.Previous, rotation.Pending} {
		if holder := versions.Holder(stage); holder != "" && holder != s.plan.Base {
			room += ", " + string(stage) + " " + holder
		}
	}
	s.findings.Saw("secret: version %s is current, %s", s.plan.Base, room)
	what := "account " + doc.Account
	if doc.Place.Host != "" {
		what += " at " + doc.Place.Address()
	}
	if s.plan.Instance != "" {
		what += ", instance " + s.plan.Instance
	}
	if s.plan.Admin != "" {
		what += ", admin secret " + s.plan.Admin
	}
	s.findings.Saw("document: %s, strategy %s", what, s.plan.Strategy)
}

// sawLogin says how a version's login went, and how it was protected.
func (s *scene) sawLogin(what, account string, proof target.Proof, err error) {
	if err != nil {
		return
	}
	if proof.ByAPI {
		s.findings.Saw("login: nobody can log in from here; the API says that account %s is available", account)
		return
	}
	s.findings.Saw("login: %s logs in as %s, %s", what, account, proof.Protection())
	switch {
	case strings.HasPrefix(proof.TLS, "none"):
		s.findings.Warning(rotation.WarningPlain, "the login as %s goes without TLS (%s)", account, proof.TLS)
	case strings.Contains(proof.TLS, "not verified"):
		s.findings.Warning(rotation.WarningUnverified, "the login as %s goes over TLS that is not verified (%s)", account, proof.TLS)
	}
}

// sawRestore says which version the standby account has the password of.
func (s *scene) sawRestore(proof target.Proof, previousRefused bool, versions rotation.Versions) {
	if proof.ByAPI {
		return
	}
	p := s.plan
	s.findings.Saw("login: version %s logs in as %s, the standby account", p.Restore, p.Standby)
	if previousRefused {
		s.findings.Warning(rotation.WarningPrevious, "the previous version, %s, does not log in as %s; version %s does", versions.Holder(rotation.Previous), p.Standby, p.Restore)
	}
	if proof.Err != nil {
		s.findings.Warning(cmp.Or(standbyWords[proof.Code], rotation.WarningLeveling), "account %s takes the password of version %s and is not let in (%s)",
			p.Standby, p.Restore, proof.Code)
	}
}

// standbyWords are the words for what keeps a standby account out whose password is right.
var standbyWords = map[string]string{
	"3118": rotation.WarningLocked, "4151": rotation.WarningLocked, "1820": rotation.WarningExpired, "1862": rotation.WarningExpired,
}

func (s *scene) sawPassword() {
	s.findings.Saw("password: the new one will have %d characters, which the target takes", s.plan.Password.Length)
}

// loginWord is the word for a login that failed.
func loginWord(err error) string {
	switch rotation.CodeOf(err) {
	case "3118", "4151":
		return rotation.FindingLocked
	case "1820", "1862":
		return rotation.FindingExpired
	case "tls":
		return rotation.FindingTLS
	}
	return rotation.FindingCurrentLogin
}

// unlessReadOnly takes what ends a survey. That the server takes no changes is given back: another address of it may.
func (s *scene) unlessReadOnly(err error) error {
	if rotation.CodeOf(err) == errReadOnly {
		return rotation.Named(rotation.FindingReadOnly, err)
	}
	return s.findings.Problem(rotation.FindingServer, err)
}

func (s *scene) differentServers() *rotation.Error {
	return rotation.Errorf(rotation.Permanent, "the current login and the admin secret %s reach different servers behind the same address", s.plan.Admin).
		Advise("give both documents an %s that always leads to the server that takes changes", cmp.Or(s.store.Traits().Dialect.Host, "address"))
}
