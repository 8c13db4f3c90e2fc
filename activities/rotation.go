// Package activities has the steps of a rotation. Each looks at the real state of store and target before it acts, lets
// internal/rotation decide from what it saw, and may be run again at any time: after a crash, beside a late attempt of
// itself, after later steps have taken effect.
package activities

import (
	"cmp"
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"rotor/internal/rotation"
	"rotor/internal/secretstore"
	"rotor/internal/target"
)

// Rotation holds what the steps work on. Its exported methods are the activities; their inputs and results are
// references, never values.
type Rotation struct {
	Stores  map[string]secretstore.Store
	Targets map[string]target.Target
	// StoreTargets are those for the secrets of one store, by its name, which come before Targets: a store in a cloud account of its
	// own has its databases there.
	StoreTargets map[string]map[string]target.Target
	// Rules are what the worker's configuration says about each store's secrets.
	Rules map[string]Rules
	// Allowed says which secrets this worker may work on, admin secrets among them; nil: all.
	Allowed func(store, region, secret string) bool
	// Random gives the bytes of passwords.
	Random io.Reader
	Now    func() time.Time
	// LastRotated gives the end of the latest rotation of a workflow id that ended as Rotated, the zero time if none is known. It may
	// be nil.
	LastRotated func(ctx context.Context, workflowID string) (time.Time, error)
	// OpenRun gives the run id of the open workflow of an id, "" if none is open. It may be nil.
	OpenRun func(ctx context.Context, workflowID string) (string, error)
	// RotatesInClear says whether a rotation is open under an id that names its secret. It is set where ids are hidden, so that one that
	// began before they were excludes others still.
	RotatesInClear func(ctx context.Context, workflowID string) (bool, error)
	// Pause waits; it returns the context's error if that ends first.
	Pause func(ctx context.Context, d time.Duration) error
	// StoreSlots and TargetSlots bound how many steps are at one store's region and at one server at once; nil: no bound.
	StoreSlots, TargetSlots *Slots
	// Memory keeps what steps that go express leave each other; nil: nothing is kept.
	Memory *Memory
	// LongestAttempt is the time limit of one attempt of a step.
	LongestAttempt time.Duration
}

// store gives the store of a plan and the reference to its secret.
func (r *Rotation) store(name, region, secret string) (secretstore.Store, secretstore.Ref, error) {
	s, ok := r.Stores[name]
	if !ok {
		return nil, secretstore.Ref{}, rotation.FieldError("Store", "this worker has no store %q; it has: %s", name, names(r.Stores))
	}
	return s, secretstore.Ref{Region: region, Name: secret}, nil
}

func (r *Rotation) target(name, store string) (target.Target, error) {
	if t, ok := r.StoreTargets[store][name]; ok {
		return t, nil
	}
	t, ok := r.Targets[name]
	if !ok {
		field := "target"
		if name == rotation.TargetApsaraRDS {
			field = "InstanceId"
		}
		return nil, rotation.FieldError(field, "this worker has no target %q; it has: %s", name, names(r.Targets))
	}
	return t, nil
}

func names[V any](m map[string]V) string {
	return strings.Join(slices.Sorted(maps.Keys(m)), ", ")
}

// scene is what a step of one rotation works on: its plan, its store, its target, and the strategy's own ways.
type scene struct {
	*Rotation
	plan   rotation.Plan
	store  secretstore.Store
	ref    secretstore.Ref
	target target.Target
	method method
	// leaving give back the slots that the step has taken.
	leaving []func()
	// rule is what the target takes as a password; Look's survey finds it.
	rule rotation.PasswordRule
	// current is what this step has read as the current version.
	current secretstore.Value
	// fresh: see StepInput.
	fresh bool
	// open is the session that looked at the target; nil where it is left to no other step.
	open target.Surveyed
	// byAPI: what this step has seen of logins is, in part, an API's word.
	byAPI bool
	// setUncertain: see RollbackInput.
	setUncertain bool
	// findings is where a check collects what it finds; nil in a rotation, which ends with its first problem.
	findings *rotation.Findings
	// script is where a rehearsal writes what it would change; nil where it is changed.
	script *target.Script
	// masked stands for the version to come in a rehearsal; its password is ***.
	masked *rotation.Document
	// sound: the current version and who changes the target log in, so that it can be rehearsed.
	sound bool
}

// newPassword makes one, or lets the store make it.
func (s *scene) newPassword(ctx context.Context) (rotation.Secret, error) {
	recipe := s.plan.Password
	if recipe.Source != rotation.PasswordSourceStore {
		return recipe.Generate(s.Random)
	}
	maker, ok := s.store.(secretstore.PasswordMaker)
	if !ok {
		return rotation.Secret{}, rotation.FieldError("Password.Source", "store %s generates no passwords", s.plan.Store)
	}
	const tries = 5
	for range tries {
		password, err := maker.RandomPassword(ctx, s.ref, recipe.Length, recipe.Excluded())
		if err != nil || recipe.Fits(password) {
			return password, err
		}
	}
	return rotation.Secret{}, rotation.FieldError("Password.Source", "store %s generated %d passwords that the target would not take", s.plan.Store, tries)
}

// scene sets a step up. Its end is to be told with leave.
func (r *Rotation) scene(p rotation.Plan) (*scene, error) {
	s, ref, err := r.store(p.Store, p.Region, cmp.Or(p.ARN, p.Secret))
	if err != nil {
		return nil, err
	}
	t, err := r.target(p.Target, p.Store)
	if err != nil {
		return nil, err
	}
	leaveStore, err := r.StoreSlots.take(placeStore, p.Store+" in "+p.Region)
	if err != nil {
		return nil, err
	}
	found := &scene{Rotation: r, plan: p, store: s, ref: ref, target: t, leaving: []func(){leaveStore}}
	found.method = found.methodOf(p.Strategy)
	return found, nil
}

// sceneAtTarget is a scene of a step that works at the target, too.
func (r *Rotation) sceneAtTarget(p rotation.Plan) (*scene, error) {
	s, err := r.scene(p)
	if err != nil {
		return nil, err
	}
	return s, s.takeTarget()
}

// takeTarget takes a slot of the target, as soon as its address is known. Without one, the step leaves.
func (s *scene) takeTarget() error {
	leaveTarget, err := s.TargetSlots.take(placeTarget, s.plan.Address)
	if err != nil {
		s.leave()
		return err
	}
	s.leaving = append(s.leaving, leaveTarget)
	return nil
}

// leave gives back the slots that the step has taken.
func (s *scene) leave() {
	for _, leave := range s.leaving {
		leave()
	}
}

func (s *scene) versions(ctx context.Context) (rotation.Versions, error) {
	list := s.store.Versions
	if s.fresh {
		// Look has just seen those without stages.
		list = s.store.Staged
	}
	seen, err := list(ctx, s.ref)
	return seen, s.orDeleted(err)
}

// orDeleted: a secret that Look has seen, and that is gone now, was deleted by somebody else meanwhile.
func (s *scene) orDeleted(err error) error {
	var e *rotation.Error
	if !errors.As(err, &e) || !e.Gone || s.plan.Base == "" {
		return err
	}
	return rotation.Errorf(rotation.Conflict, "secret %s was deleted, or is about to be, while this rotation ran: somebody else did that", s.plan.Secret).WithCode(e.Code)
}

// value reads a version of the secret.
func (s *scene) value(ctx context.Context, version string) (secretstore.Value, error) {
	if v, has := s.Memory.kept(s.at(version)); has && s.fresh {
		return v, nil
	}
	if s.current.Version == version && version != "" {
		return s.current, nil
	}
	v, err := s.store.Read(ctx, s.ref, version)
	if err == nil {
		s.Memory.keep(s.at(version), v)
	}
	return v, err
}

// document reads the document of a version of the secret.
func (s *scene) document(ctx context.Context, version string) (*rotation.Document, error) {
	v, err := s.value(ctx, version)
	if err != nil {
		return nil, s.orDeleted(err)
	}
	return s.parse(s.plan.Secret, v)
}

// dialect is that of the store's documents, as far as the target needs them.
func (s *scene) dialect() rotation.Dialect {
	dialect := s.store.Traits().Dialect
	dialect.HostOptional = s.plan.Instance != ""
	return dialect
}

func (s *scene) parse(secret string, v secretstore.Value) (*rotation.Document, error) {
	return s.parseAs(s.dialect(), secret, v)
}

func (s *scene) parseAs(dialect rotation.Dialect, secret string, v secretstore.Value) (*rotation.Document, error) {
	d, err := rotation.ParseDocument(secret, dialect, v.Data)
	if err != nil {
		return nil, err
	}
	d.Version = v.Version
	return d, nil
}

// login is the login that a document stands for.
func (s *scene) login(d *rotation.Document) target.Login {
	place := s.atWriter(d.Place)
	place.Instance, place.Region = s.plan.Instance, s.plan.Region
	return target.Login{Place: place, Account: d.Account, Password: d.Password, Version: d.Version, Demanded: s.plan.LoginDemanded}
}

// tryLogin logs in with a document.
func (s *scene) tryLogin(ctx context.Context, d *rotation.Document) target.Proof {
	proof := s.target.Probe(ctx, s.login(d))
	s.byAPI = s.byAPI || proof.ByAPI
	return proof
}

// probe logs in with a version of the secret. A version that is gone, or that can't be read as a document, has the
// answer RefusedLogin: no password of the secret is behind it.
func (s *scene) probe(ctx context.Context, version string) (target.Proof, error) {
	v, err := s.value(ctx, version)
	if err != nil {
		return target.Proof{Answer: rotation.RefusedLogin}, s.unlessGone(ctx, version, s.orDeleted(err))
	}
	d, err := s.parse(s.plan.Secret, v)
	if err != nil {
		return target.Proof{Answer: rotation.RefusedLogin}, nil
	}
	return s.tryLogin(ctx, d), nil
}

// unlessGone is nil where a version could not be read because it is gone. One that the store lists was denied, or is not visible yet:
// nobody has tried its password, so nothing may be decided.
func (s *scene) unlessGone(ctx context.Context, version string, err error) error {
	if rotation.KindOf(err) != rotation.Permanent {
		return err
	}
	seen, listing := s.store.Versions(ctx, s.ref)
	if listing != nil {
		return s.orDeleted(listing)
	}
	if _, there := seen.Find(version); there {
		return rotation.Errorf(rotation.Retryable, "version %s of secret %s is there and can't be read: %s", version, s.plan.Secret, err).WithCode(rotation.CodeOf(err))
	}
	return nil
}

// mustLogIn asks for a proof that a login works. What a refusal means is the caller's to say.
func mustLogIn(proof target.Proof, refused *rotation.Error) error {
	switch proof.Answer {
	case rotation.Accepted:
		return proof.Err
	case rotation.RefusedLogin:
		return refused.WithCode(proof.Code)
	}
	if proof.Err != nil {
		return proof.Err
	}
	return rotation.Errorf(rotation.Retryable, "a login got no clear answer").WithCode(proof.Code)
}

// mustAccept asks only that the password is right; an account that is locked or has too many connections will do.
func mustAccept(proof target.Proof, refused *rotation.Error) error {
	if proof.Answer == rotation.Accepted {
		return nil
	}
	return mustLogIn(proof, refused)
}

// passwordOf is what a proof says about the password. An API says nothing about it.
func passwordOf(proof target.Proof) rotation.Answer {
	if proof.ByAPI && proof.Answer == rotation.Accepted {
		return rotation.Unknown
	}
	return proof.Answer
}

// createdBy is what a proof of this rotation's version says about an account that was not there when the rotation began: whether this
// rotation created it.
func createdBy(proof target.Proof) rotation.Answer {
	if proof.ByAPI && proof.Answer == rotation.Accepted && !proof.Marked {
		return rotation.RefusedLogin
	}
	return proof.Answer
}

// proof says how this step has proven what it says.
func (s *scene) proof() string {
	if s.byAPI {
		return rotation.ProofAPI
	}
	return rotation.ProofLogin
}

// hasAdmin says whether somebody else than the account itself can change it.
func (s *scene) hasAdmin() bool { return s.plan.Admin != "" || s.target.Traits().APIAdmin }

// admin reads the admin secret; it is read anew by every step, because it may be rotating, too. Only where steps follow each other at once
// it is Look's; if that does not log in any more, the step is tried again as usual.
func (s *scene) admin(ctx context.Context) (target.Login, error) {
	if s.target.Traits().APIAdmin {
		return target.Login{Place: rotation.Place{Instance: s.plan.Instance, Region: s.plan.Region}, Version: s.plan.Version}, nil
	}
	d, err := s.adminDocument(ctx)
	if err != nil {
		return target.Login{}, err
	}
	return s.login(d), nil
}

func (s *scene) adminDocument(ctx context.Context) (*rotation.Document, error) {
	name := s.plan.Admin
	v, has := s.Memory.kept(s.atAdmin(name))
	if !has || !s.fresh {
		var err error
		if v, err = s.store.ReadCurrent(ctx, secretstore.Ref{Region: s.ref.Region, Name: name}); err != nil {
			return nil, namedAdmin(err, name)
		}
		s.Memory.drop(s.atAdmin(name))
		s.Memory.keep(s.atAdmin(name), v)
	}
	d, err := s.parseAdmin(name, v)
	return d, namedAdmin(err, name)
}

// namedAdmin says of an error that it is about the admin secret.
func namedAdmin(err error, name string) error {
	var e *rotation.Error
	if !errors.As(err, &e) {
		return err
	}
	named := *e
	named.Text, named.Gone = "the admin secret "+name+" can't be used: "+e.Text, false
	if e.Finding != rotation.FindingPermission {
		named.Finding = rotation.FindingAdminSecret
	}
	return &named
}

// errBadLogin is MySQL's number for a refused login.
const errBadLogin = "1045"

// lockAsAdmin opens the locked session of the account pair with the admin secret. A refused admin login is retryable here: Look
// has seen it work, so the admin secret is probably being rotated.
func (s *scene) lockAsAdmin(ctx context.Context) (target.Session, error) {
	if open := s.surveyed(); open != nil {
		return open.Lock(ctx)
	}
	admin, err := s.admin(ctx)
	if err != nil {
		return nil, err
	}
	session, err := s.lockAs(ctx, admin)
	if rotation.CodeOf(err) == errBadLogin {
		return nil, rotation.Errorf(rotation.Retryable, "the admin secret %s does not log in; it did when this rotation began, so it may be rotating itself",
			s.plan.Admin).WithCode(errBadLogin)
	}
	return session, err
}
