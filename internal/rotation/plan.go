package rotation

import "time"

// Plan is what Look found: references only, no values. It is in history before the first change, and every later
// step measures what it sees against it.
type Plan struct {
	Store  string
	Region string
	Secret string
	// ARN names the secret to the store where its name alone does not: it belongs to another cloud account.
	ARN      string `json:",omitempty"`
	Target   string
	Instance string `json:",omitempty"`
	Strategy Strategy

	// Version is the id of the version that this rotation writes, known before anything happened.
	Version string
	// Base is the version that was current.
	Base string
	// Restore is the version whose password the standby account has; "" if there is no standby account, or if no version
	// of the secret logs in to it.
	Restore string `json:",omitempty"`
	// Retired, where Restore is "", is the version of which the standby account has the retired password (see RetiredPassword).
	Retired string `json:",omitempty"`
	// Retiring: the former credential of the rotation before may be about to be retired, by an attempt that no lock keeps away.
	Retiring bool `json:",omitempty"`
	// Leftover, with two passwords, is the version whose password the account took beside the current one; "" if there was none.
	Leftover string `json:",omitempty"`
	// StalePending is a version of an unfinished rotation that carried the pending stage.
	StalePending string `json:",omitempty"`
	// Previous is the version that was current before the base version, "" if none is known.
	Previous string `json:",omitempty"`
	// Account is the login of the base version, Standby the other of its pair ("" with one account).
	Account string
	Standby string `json:",omitempty"`
	// StandbyExists says whether the standby account existed.
	StandbyExists bool `json:",omitempty"`
	// Divided: the account whose password is changed exists on several hosts that change one after the other. An attempt that died may
	// have changed some, so that a login, which meets one of them, does not tell what the others have.
	Divided bool `json:",omitempty"`
	// Adopted: Version is that of an unfinished rotation, whose password the account has already.
	Adopted bool `json:",omitempty"`
	// RollbackBegun: a rollback of this rotation was begun, which takes the pending stage off.
	RollbackBegun bool `json:",omitempty"`
	// Admin is the admin secret, "" if the account changes itself.
	Admin string `json:",omitempty"`
	// Address is the target's host and port, for people.
	Address string
	// Writer is the address that takes changes, where a cloud was asked for it: logins that decide something go there, and those of the
	// admin, whatever the documents say. Clients go where their document says.
	Writer *Address `json:",omitempty"`
	// Server identifies the database server, so that two logins can be known to have met the same one.
	Server string `json:",omitempty"`
	// LoginDemanded: an API's word is no proof.
	LoginDemanded bool `json:",omitempty"`
	// TLS says in words how current's login was protected.
	TLS string `json:",omitempty"`

	// Password is what the new password is made by.
	Password PasswordRecipe
	// LongestAttempt is how long an attempt of a step can still run after it was given up.
	LongestAttempt time.Duration
	Notes          []string `json:",omitempty"`
}

// Address is a host and its port.
type Address struct {
	Host string
	Port int
}

// Next is the login of the version that the rotation writes.
func (p Plan) Next() string {
	if p.Strategy == DualAccount {
		return p.Standby
	}
	return p.Account
}

// Failure is an error as it stands in histories and results.
type Failure struct {
	// Step is the one that failed.
	Step Step
	// Kind is retryable, permanent or conflict.
	Kind Kind
	// Text says what was tried, on what, and what to do.
	Text string
	// Field is the field of a request or document that is at fault, if one is.
	Field string `json:",omitempty"`
	// Code is the number or code that came back, if one did.
	Code string `json:",omitempty"`
	// Finding is the word under which a check reports it, "" where a check can't.
	Finding string `json:",omitempty"`
	// Unanswered says that the change that was asked for may have happened all the same.
	Unanswered bool `json:",omitempty"`
	// Untried says that the step was not begun, because something that it needs was taken.
	Untried bool `json:",omitempty"`
	// Attempt is the attempt that failed, 1 for the first of a round.
	Attempt int32 `json:",omitempty"`
}

// FailureOf describes the error of a step.
func FailureOf(step Step, err *Error) Failure {
	return Failure{Step: step, Kind: err.Kind, Text: err.Error(), Field: err.Field, Code: err.Code, Finding: err.Finding, Unanswered: err.Unanswered, Untried: err.Untried}
}

// Result is how a rotation ended; the workflow returns it, or has it in the details of the error that it fails with.
type Result struct {
	// Outcome is Rotated, RolledBack, Refused or Abandoned.
	Outcome Outcome
	// Store, Region and Secret say which secret it was; Secret is its name.
	Store  string
	Region string
	Secret string
	// Target is mysql or apsara-rds.
	Target string
	// Strategy is the one that the rotation had; none if it was Refused before that was known.
	Strategy Strategy `json:",omitempty"`
	// Version is the version that the rotation wrote, Former the one that was current before.
	Version string `json:",omitempty"`
	Former  string `json:",omitempty"`
	// Account is the login that is current now, FormerAccount the one before.
	Account       string `json:",omitempty"`
	FormerAccount string `json:",omitempty"`
	// Address is the target's host and port.
	Address string `json:",omitempty"`
	// Proof is how the outcome was proven: "login" or "api".
	Proof string `json:",omitempty"`
	// TLS says in words how the login that proved the outcome was protected.
	TLS string `json:",omitempty"`
	// FormerCredential says, of one that was Rotated, whether the credential before it still works.
	FormerCredential *FormerCredential `json:",omitempty"`
	// Exposure is how long the secret's current version did not log in: from the change in the database to the move of the
	// stage. Only single-user has one; where a step died in between, it is an upper bound.
	Exposure time.Duration `json:",omitempty"`
	// LeftOut are privileges that the admin could not give and that were allowed to be missing.
	LeftOut []string `json:",omitempty"`
	// Reason is the failure that led to an outcome other than Rotated.
	Reason *Failure `json:",omitempty"`
	// Decision is what a person decided about a parked rotation, with the reason given.
	Decision *Decision `json:",omitempty"`
	// Notes are what else somebody should know.
	Notes []string `json:",omitempty"`
	// Started and Ended are when the rotation did.
	Started time.Time
	Ended   time.Time
}

// Decision is a person's word about a parked rotation.
type Decision struct {
	// Choice is "retry", "rollback" or "abandon".
	Choice string
	// Reason is why, in words of that person.
	Reason string
	// By is the identity that the client gave.
	By string `json:",omitempty"`
	// At is when it was made.
	At time.Time
}
