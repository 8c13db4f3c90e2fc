package rotation

// Strategy says how a new password comes to be accepted while clients still hold the old one.
type Strategy string

const (
	// DualAccount lets two accounts take turns: the standby one gets the new password and becomes current.
	DualAccount Strategy = "dual-account"
	// SingleUser replaces the password of the one account.
	SingleUser Strategy = "single-user"
	// DualPassword has one account, which takes two passwords until the grace time is over (MySQL 8.0.14 and later).
	DualPassword Strategy = "dual-password"
)

// Strategies are those that a request can ask for.
var Strategies = []Strategy{DualAccount, SingleUser, DualPassword}

// Step is one step of a rotation.
type Step string

const (
	StepLook     Step = "look"
	StepNew      Step = "new"
	StepSet      Step = "set"
	StepTest     Step = "test"
	StepEnd      Step = "end"
	StepRollback Step = "rollback"
	// StepRetire comes after End, where the request asks for it.
	StepRetire Step = "retire"
)

// Outcome is how a rotation ended. A parked rotation has none: it is open and waits for a person.
type Outcome string

const (
	// Rotated: current is the new version, and its login was seen to work.
	Rotated Outcome = "Rotated"
	// RolledBack: current is the old version, and its login was seen to work.
	RolledBack Outcome = "RolledBack"
	// Refused: nothing was changed.
	Refused Outcome = "Refused"
	// Abandoned: a person gave up a parked rotation.
	Abandoned Outcome = "Abandoned"
)

// What a rotation does when it fails before its point of no return.
const (
	OnFailureRollback = "rollback"
	OnFailurePark     = "park"
)

// What proves that a credential works.
const (
	// ProofLogin: somebody logged in with it.
	ProofLogin = "login"
	// ProofAPI: a cloud's API says that the account is available; the worker can't reach the server.
	ProofAPI = "api"
)

// Search attributes of Temporal, by which rotations are found.
const (
	// AttributeSecret (Keyword) is the secret's name.
	AttributeSecret = "RotorSecret"
	// AttributeOutcome (Keyword) is how the rotation ended.
	AttributeOutcome = "RotorOutcome"
	// AttributeStuck (Bool) says that the rotation is parked, or that one of its steps has failed for long.
	AttributeStuck = "RotorStuck"
	// AttributeFleet (Keyword) names the fleet that the rotation belongs to.
	AttributeFleet = "RotorFleet"
)

// SummaryAlarm is what the timer of a workflow says that does not hold it up: when it fires, the rotation counts as stuck.
const SummaryAlarm = "count as stuck"

// Names of stores and targets, as requests and results have them.
const (
	StoreAlibabaKMS   = "alibaba-kms"
	StoreAWS          = "aws-secrets-manager"
	TargetMySQL       = "mysql"
	TargetApsaraRDS   = "apsara-rds"
	WorkflowType      = "RotateSecret"
	RetireWorkflow    = "RetireFormer"
	QueryStatus       = "status"
	UpdateRetry       = "retry"
	UpdateRollback    = "rollback"
	UpdateAbandon     = "abandon"
	ActivityInspect   = "Inspect"
	ActivityFollow    = "Follow"
	workflowIDPrefix  = "rotate/"
	maxSecretNameSize = 512
)
