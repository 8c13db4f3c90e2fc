package activities

import (
	"context"
	"time"

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
		return rotation.Plan{}, rotation.Named(rotation.FindingRequest, err)
	}
	s, err := r.looking(req, in.Version)
	if err != nil {
		return rotation.Plan{}, err
	}
	defer s.leave()
	if err := s.checkInClear(ctx, req); err != nil {
		return rotation.Plan{}, err
	}
	defer s.closeOpen()
	plan, err := s.look(ctx, req)
	if err == nil {
		s.looked()
	}
	return plan, err
}

// checkInClear keeps two rotations of a secret apart, of which one began before ids were hidden.
func (s *scene) checkInClear(ctx context.Context, req rotation.Request) error {
	if s.RotatesInClear == nil {
		return nil
	}
	open, err := s.RotatesInClear(ctx, req.WorkflowID())
	if err != nil || !open {
		return err
	}
	return rotation.Errorf(rotation.Retryable, "a rotation of secret %s that began before names were hidden is still open, as workflow %s; "+
		"let it end, or decide about it in the Web UI, if it is parked", s.plan.Secret, req.WorkflowID())
}

// looking is the scene of a look, of which nothing is known yet but the request.
func (r *Rotation) looking(req rotation.Request, version string) (*scene, error) {
	s, err := r.scene(rotation.Plan{
		Store: req.Store, Region: req.RegionId, Secret: req.Name(), ARN: req.ARN(), Target: req.Target(), Instance: req.InstanceId,
		Version: version, LoginDemanded: req.Proof == rotation.ProofLogin, LongestAttempt: r.LongestAttempt,
	})
	return s, rotation.Named(rotation.FindingRequest, err)
}

// look is the same code for a rotation and for a check. What it can't do without ends both; whatever else speaks against the rotation
// goes to the findings, which end a rotation and let a check go on.
func (s *scene) look(ctx context.Context, req rotation.Request) (rotation.Plan, error) {
	if err := s.checkAllowed(); err != nil {
		return rotation.Plan{}, err
	}
	current, err := s.store.ReadCurrent(ctx, s.ref)
	if err != nil {
		return rotation.Plan{}, rotation.Named(rotation.FindingSecret, err)
	}
	doc, err := s.parse(s.plan.Secret, current)
	if err != nil {
		return rotation.Plan{}, rotation.Named(rotation.FindingDocument, err)
	}
	versions, err := s.versionsFor(ctx, req, doc)
	if err != nil {
		return rotation.Plan{}, rotation.Named(rotation.FindingSecret, err)
	}
	if versions.Holder(rotation.Current) != current.Version {
		return rotation.Plan{}, rotation.Errorf(rotation.Retryable, "secret %s: the store's answers about its current version differ", s.plan.Secret).Found(rotation.FindingSecret)
	}
	p := &s.plan
	if p.Strategy, err = s.strategy(req, doc); err != nil {
		return rotation.Plan{}, rotation.Named(rotation.FindingStrategy, err)
	}
	s.current = current
	s.Memory.keep(s.at(current.Version), current)
	p.Base, p.Previous = current.Version, versions.Holder(rotation.Previous)
	p.Account, p.Address = doc.Account, s.login(doc).Place.Address()
	if !s.target.Traits().APIAdmin {
		p.Admin = doc.Admin
	}
	if err := s.takeTarget(); err != nil {
		return rotation.Plan{}, err
	}
	if current.Version == p.Version {
		return s.finished(doc), nil
	}
	pending := versions.Holder(rotation.Pending)
	if p.StalePending = s.stale(pending); p.StalePending == "" && pending != "" && pending == p.Base && s.store.Traits().ClearsPending {
		p.Notes = append(p.Notes, "an unfinished rotation had made version "+pending+" current and left the pending stage on it; this one takes that away")
	}
	s.sawSecret(doc, versions)
	if err := s.findings.Problem(rotation.FindingGrace, s.checkGrace(ctx, req, current.Created)); err != nil {
		return rotation.Plan{}, err
	}
	if err := s.findings.Problem(rotation.FindingRetirement, s.checkRetirement(ctx, req)); err != nil {
		return rotation.Plan{}, err
	}
	s.method = s.methodOf(p.Strategy)
	if err := s.findings.Problem(rotation.FindingNotAllowed, s.checkRules(doc)); err != nil {
		return rotation.Plan{}, err
	}
	if err := s.lookAt(ctx, req, doc, versions); err != nil {
		return rotation.Plan{}, err
	}
	if p.Password, err = req.Password.Over(s.Rules[p.Store].Passwords).Fit(s.rule); err == nil {
		s.sawPassword()
	}
	if err := s.findings.Problem(rotation.FindingPassword, err); err != nil {
		return rotation.Plan{}, err
	}
	if req.EndSessions && s.byAPI {
		unreachable := rotation.FieldError("EndSessions", "this worker can't reach the server, so it could not end sessions").Advise("give it a way to the server")
		if err := s.findings.Problem(rotation.FindingRetirement, unreachable); err != nil {
			return rotation.Plan{}, err
		}
	}
	if p.StalePending != "" {
		s.note(rotation.WarningPending, "an unfinished rotation left version "+p.StalePending+" pending; it is taken over")
	}
	if p.Adopted {
		return *p, nil
	}
	return *p, s.findings.Problem(rotation.FindingVersionLimit, versions.CheckRoom(s.store.Traits().KeepsVersions, p.Restore))
}

// stale gives the version that is pending if it is an unfinished rotation's.
func (s *scene) stale(pending string) string {
	if pending == s.plan.Base || pending == s.plan.Version {
		return ""
	}
	return pending
}

// allVersions lists them again where versionsFor has asked for some: a stage that a single answer does not show yet may be that of the only
// password that works.
func (s *scene) allVersions(ctx context.Context, seen rotation.Versions) (rotation.Versions, error) {
	if s.findings != nil {
		return seen, nil
	}
	all, err := s.versions(ctx)
	if err == nil && all.Holder(rotation.Current) != s.plan.Base {
		err = rotation.Errorf(rotation.Retryable, "secret %s: the store's answers about its current version differ", s.plan.Secret)
	}
	if err != nil {
		return nil, err
	}
	s.plan.Previous, s.plan.StalePending = all.Holder(rotation.Previous), s.stale(all.Holder(rotation.Pending))
	return all, nil
}

// versionsFor lists the versions of the secret. A rotation of one account asks for the passwords of those with stages only.
func (s *scene) versionsFor(ctx context.Context, req rotation.Request, doc *rotation.Document) (rotation.Versions, error) {
	if strategy, err := s.strategy(req, doc); err == nil && strategy == rotation.SingleUser && s.findings == nil {
		seen, err := s.store.Staged(ctx, s.ref)
		return seen, s.orDeleted(err)
	}
	return s.versions(ctx)
}

// note is for the result of a rotation, and a warning of a check.
func (s *scene) note(word, text string) {
	s.plan.Notes = append(s.plan.Notes, text)
	s.findings.Warning(word, "%s", text)
}

// finished is the plan of a rotation whose version is current already: the workflow was reset to its beginning. What is
// left is End's last look.
func (s *scene) finished(doc *rotation.Document) rotation.Plan {
	p := s.plan
	p.Base = p.Previous
	if p.Strategy == rotation.DualAccount {
		p.Account, p.Standby = doc.Pair().Standby(doc.Account), doc.Account
	}
	p.Notes = append(p.Notes, "the version of this rotation was current already when it looked")
	return p
}

// strategy takes the strategy from the request, else from the document.
func (s *scene) strategy(req rotation.Request, doc *rotation.Document) (rotation.Strategy, error) {
	strategy, admin := req.Strategy, doc.Admin != "" || s.target.Traits().APIAdmin
	if strategy == "" {
		strategy = rotation.SingleUser
		if admin {
			strategy = rotation.DualAccount
		}
	}
	if strategy == rotation.DualAccount && !admin {
		return "", rotation.FieldError("secret "+s.plan.Secret, "strategy %s needs an admin secret", strategy).
			Advise("name it in field %s of the document", s.store.Traits().Dialect.Admin)
	}
	return strategy, nil
}

// checkGrace refuses to take a password away from clients that may still hold it. A store knows when a version was written, not
// when it became current, which is days later where a rotation was parked; so the end of the latest rotation counts, too.
func (s *scene) checkGrace(ctx context.Context, req rotation.Request, created time.Time) error {
	if req.Now || s.plan.Strategy == rotation.SingleUser {
		return nil
	}
	since := created
	if s.LastRotated != nil {
		last, err := s.LastRotated(ctx, req.WorkflowID())
		if err != nil {
			return err
		}
		if last.After(since) {
			since = last
		}
	}
	if left := req.GraceTime() - s.Now().Sub(since); left > 0 {
		return rotation.Errorf(rotation.Permanent, "the current version of secret %s is younger than the grace time of %s: clients may still use the "+
			"credential before it, which this rotation would replace", s.plan.Secret, req.GraceTime()).
			Advise("wait %s more, or ask for it with Now (--now)", left.Round(time.Second))
	}
	return nil
}

// checkRetirement refuses what can't be done about the former credential, and finds out whether the one before it may be about to be retired by an
// attempt that no lock keeps away.
func (s *scene) checkRetirement(ctx context.Context, req rotation.Request) error {
	if err := req.CheckRetirement(s.plan.Strategy); err != nil || s.OpenRun == nil || !s.target.Traits().APIAdmin {
		return err
	}
	run, err := s.OpenRun(ctx, rotation.RetireWorkflowID(req.WorkflowID()))
	s.plan.Retiring = run != ""
	return err
}

func (s *scene) currentRefused(doc *rotation.Document) *rotation.Error {
	return rotation.Errorf(rotation.Permanent, "the current version of secret %s does not log in as %s", s.plan.Secret, doc.Account).
		Advise("put the password that works into the secret, then rotate")
}

// sameServer says whether the admin and a login reach the same server. An API speaks of an instance, not of a server.
func (s *scene) sameServer(survey target.Survey, proof target.Proof) bool {
	return s.target.Traits().APIAdmin || survey.Server == proof.Server
}

func (s *scene) question(by target.Login, doc *rotation.Document) target.Question {
	return target.Question{By: by, Strategy: s.plan.Strategy, Pair: doc.Pair(), Current: doc.Account, Client: s.login(doc), Findings: s.findings}
}

// surveyBy looks with a login. In a rotation whose next steps may follow at once the session is kept for them.
func (s *scene) surveyBy(ctx context.Context, by target.Login, doc *rotation.Document) (target.Survey, error) {
	question := s.question(by, doc)
	question.Leave = s.Memory != nil && s.findings == nil
	survey, err := s.target.Survey(ctx, question)
	s.open = survey.Open
	return survey, err
}

// survey looks with the admin secret. A refused login is tried once more with the secret read anew.
func (s *scene) survey(ctx context.Context, doc *rotation.Document) (target.Survey, error) {
	for again := false; ; again = true {
		admin, err := s.admin(ctx)
		if err != nil {
			return target.Survey{}, err
		}
		if s.target.Traits().APIAdmin {
			return s.surveyBy(ctx, admin, doc)
		}
		if !admin.Place.SameServer(s.login(doc).Place) {
			d := s.store.Traits().Dialect
			return target.Survey{}, rotation.FieldError("secret "+s.plan.Secret, "its %s and %s and those of the admin secret %s differ",
				d.Host, d.Port, doc.Admin).Advise("the admin secret must lead to the same server").Found(rotation.FindingAdminAddress)
		}
		if doc.Pair().Base == admin.Account || doc.Pair().Suffixed == admin.Account {
			return target.Survey{}, rotation.FieldError("secret "+s.plan.Secret, "the admin secret %s is of the account pair that would be rotated", doc.Admin).Found(rotation.FindingAdminSecret)
		}
		mark := s.findings.Mark()
		survey, err := s.surveyBy(ctx, admin, doc)
		if rotation.CodeOf(err) != errBadLogin {
			return survey, err
		}
		s.findings.Back(mark)
		if again {
			return target.Survey{}, rotation.Errorf(rotation.Permanent, "the admin secret %s does not log in as %s", doc.Admin, admin.Account).WithCode(errBadLogin).
				Found(rotation.FindingAdminLogin)
		}
		if err := s.Pause(ctx, adminReread); err != nil {
			return target.Survey{}, err
		}
	}
}
