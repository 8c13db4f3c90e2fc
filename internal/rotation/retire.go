package rotation

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"strings"
	"time"
)

// What a request can say of the credential that was current before (RetireFormer), beside a duration.
const (
	// RetireNever leaves it as it is until the next rotation replaces it.
	RetireNever = "never"
	// RetireNow makes it unusable as soon as the new version is current.
	RetireNow = "now"
)

// retireWorkflowIDPrefix begins the id of the workflow that retires the former credential of a secret.
const retireWorkflowIDPrefix = "retire/"

// RetireWorkflowID is the id of the workflow that retires the former credential, made of the id of the rotation: there is one for each secret, and
// the next rotation's takes its place.
func RetireWorkflowID(rotation string) string {
	return retireWorkflowIDPrefix + strings.TrimPrefix(rotation, workflowIDPrefix)
}

// Retirement says whether, and how long after the end of the rotation, the former credential is to be retired. With two passwords it is after
// the grace time unless the request says otherwise: the account has no room for a third one.
func (r Request) Retirement(s Strategy) (after time.Duration, wanted bool) {
	switch {
	case r.RetireFormer == RetireNow:
		return 0, true
	case r.RetireFormer == "" && s == DualPassword:
		return r.GraceTime(), true
	case r.RetireFormer == "" && s == SingleUser:
		// Its former password is gone with the rotation; sessions may be left.
		return 0, r.EndSessions
	case r.RetireFormer == "", r.RetireFormer == RetireNever:
		return 0, false
	}
	return mustDuration(r.RetireFormer, 0), true
}

// CheckRetirement says what a request asks of the former credential that its strategy can't do.
func (r Request) CheckRetirement(s Strategy) error {
	_, wanted := r.Retirement(s)
	switch {
	case r.EndSessions && !wanted:
		return FieldError("EndSessions", "sessions are ended when the former credential is retired; say when with RetireFormer (now, or a duration)")
	case r.RetireWhenIdle && s != DualAccount:
		return FieldError("RetireWhenIdle", "strategy %s has one account, and which of its passwords a session was opened with can't be seen; "+
			"give a duration in RetireFormer that is long enough", s)
	}
	return nil
}

func (r Request) retireProblems() (problems []*Error) {
	switch r.RetireFormer {
	case "", RetireNever, RetireNow:
	default:
		if d, err := time.ParseDuration(r.RetireFormer); err != nil || d <= 0 {
			problems = append(problems, FieldError("RetireFormer", "%q is unknown; wanted: %s, %s, or a Go duration like 24h", printable(r.RetireFormer),
				RetireNever, RetireNow))
		}
	}
	if r.RetireWhenIdle && (r.RetireFormer == "" || r.RetireFormer == RetireNever) {
		problems = append(problems, FieldError("RetireWhenIdle", "says how RetireFormer is to be done; give that, too"))
	}
	if r.RetireWhenIdle && r.EndSessions {
		problems = append(problems, FieldError("RetireWhenIdle", "contradicts EndSessions: it waits until there are no sessions"))
	}
	return problems
}

// Retiring asks for the retirement of the credential that a rotation has replaced. It is the input of a workflow.
type Retiring struct {
	Plan Plan
	// At is the earliest time.
	At time.Time
	// WhenIdle waits further, until nobody is logged in.
	WhenIdle bool `json:",omitempty"`
	// EndSessions ends the sessions that are open then.
	EndSessions bool `json:",omitempty"`
	// Seen is what was seen of the credential's use so far, where the workflow was continued.
	Seen Usage `json:",omitzero"`
}

// Usage is what was seen of the former credential's use, sample by sample.
type Usage struct {
	// Samples is how often it was looked at.
	Samples int
	// LastSeen is when it was last seen to be used; zero: never.
	LastSeen time.Time `json:",omitzero"`
	// Logins is how many logins the server has counted, 0 where it does not say.
	Logins int64 `json:",omitempty"`
}

// Retired says what was done about the credential that a rotation has replaced.
type Retired struct {
	// Account and Version are the former credential's.
	Account string
	Version string
	// Superseded: a later rotation, or somebody, has made another version current; nothing was done.
	Superseded bool `json:",omitempty"`
	// Proof is how it was proven that it does not log in any more: "login", or "api" where the worker can't reach the server.
	Proof string `json:",omitempty"`
	// Sessions are those that were open; nil where that could not be seen, and Unseen says why.
	Sessions *Sessions `json:",omitempty"`
	Unseen   string    `json:",omitempty"`
	// Usage is what was seen of the credential's use until then.
	Usage *Usage `json:",omitempty"`
	// Notes are what else somebody should know.
	Notes []string `json:",omitempty"`
	// At is when it was retired.
	At time.Time `json:",omitzero"`
}

// Sessions are the open sessions of an account, without what they do.
type Sessions struct {
	// Open is how many there were, Hosts where they came from.
	Open  int
	Hosts []string `json:",omitempty"`
	// Ended is how many of them were ended.
	Ended int `json:",omitempty"`
}

// FormerCredential is what became of the credential that was current before a rotation.
type FormerCredential struct {
	// Valid: it still logs in.
	Valid bool
	// Until is when it is to be retired, by the workflow of id Workflow. Where it is valid and this is zero, the next rotation replaces it.
	Until    time.Time `json:",omitzero"`
	Workflow string    `json:",omitempty"`
	// Retired is what was done, Failure why it could not be.
	Retired *Retired `json:",omitempty"`
	Failure *Failure `json:",omitempty"`
}

// DecideRetire says whether the former credential may be made unusable: only while this rotation's version is current and no other one is
// pending. superseded: somebody has made another version current. It is asked under the lock.
func DecideRetire(p Plan, seen Versions) (superseded bool, err error) {
	switch holder := seen.Holder(Current); holder {
	case p.Version:
	case "":
		return false, p.CheckBase(seen)
	case p.Base:
		// Before the move this rotation's version was pending, or not there yet: that is a list from the past. Whoever has moved the stage back has
		// left it the previous one, or without a stage.
		_, exists := seen.Find(p.Version)
		if !exists || seen.Holder(Pending) == p.Version && seen.Holder(Previous) != p.Version {
			return false, Errorf(Retryable, "the move of the current stage of secret %s to version %s is not visible yet", p.Secret, p.Version)
		}
		return true, nil
	default:
		return true, nil
	}
	if holder := seen.Holder(Pending); holder != "" && holder != p.Version {
		return false, Errorf(Retryable, "version %s of secret %s is pending: a rotation is under way, or unfinished, and may need the former credential", holder, p.Secret)
	}
	return false, nil
}

// retiredRecipe's length is taken by every target; so are four characters of each kind.
var retiredRecipe = PasswordRecipe{Length: 32, Lower: Kindful{lowercase, 4}, Upper: Kindful{uppercase, 4}, Digits: Kindful{digits, 4}, Special: Kindful{safePunctuation, 4}}

// RetiredPassword is what a retired standby account has for a password. It is stored nowhere, but made from the current version's: the next
// rotation, and only who can read that version, can tell by a login that the account was retired by a rotation of this secret, and is nobody
// else's. Who knows the former credential learns nothing about it.
func RetiredPassword(current Secret, account string) (Secret, error) {
	const plenty = 4096 // bytes to draw characters from
	stream, err := hkdf.Key(sha256.New, []byte(current.Reveal()), nil, "rotor: retired account "+account, plenty)
	if err != nil {
		return Secret{}, Errorf(Permanent, "the password of a retired account can't be made")
	}
	return retiredRecipe.Generate(bytes.NewReader(stream))
}
