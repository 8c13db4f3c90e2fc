package rotation

import (
	"maps"
	"slices"
)

// Words of problems.
const (
	FindingRequest       = "request"
	FindingNotAllowed    = "not-allowed"
	FindingPermission    = "permission-denied"
	FindingSecret        = "secret-unreadable"
	FindingDeleted       = "secret-deleted"
	FindingType          = "secret-type"
	FindingOwned         = "secret-owned"
	FindingOtherRotator  = "other-rotator"
	FindingReplicaSecret = "secret-replica"
	FindingDocument      = "document"
	FindingStrategy      = "strategy"
	FindingGrace         = "grace"
	FindingVersionLimit  = "version-limit"
	FindingCurrentLogin  = "current-login"
	FindingClientLogin   = "client-login"
	FindingLocked        = "account-locked"
	FindingExpired       = "account-expired"
	FindingTLS           = "tls"
	FindingAdminSecret   = "admin-secret"
	FindingAdminAddress  = "admin-address"
	FindingAdminLogin    = "admin-login"
	FindingAdminRights   = "admin-rights"
	FindingServers       = "different-servers"
	FindingReadOnly      = "read-only"
	FindingServer        = "server"
	FindingAccountName   = "account-name"
	FindingMissing       = "account-missing"
	FindingUnclonable    = "account-unclonable"
	FindingHosts         = "several-hosts"
	FindingOwnRights     = "own-rights"
	FindingSecond        = "second-password-foreign"
	FindingRetirement    = "retirement"
	FindingForeign       = "standby-foreign"
	FindingStandby       = "standby"
	FindingStale         = "pending-differs"
	FindingPassword      = "password-policy"
	FindingHistory       = "password-history"
	FindingInstance      = "instance"
	FindingSuper         = "super-account"
	FindingCustom        = "custom-privileges"
	FindingAccountLimit  = "account-limit"
	FindingAccountBusy   = "account-busy"
	FindingUnreachable   = "unreachable"
	FindingUnknown       = "unknown"
)

// Words of warnings.
const (
	WarningOpen = "rotation-open"
	// WarningAdminRotates and FindingShared show only where several secrets are looked at together.
	WarningAdminRotates = "admin-rotates"
	FindingShared       = "account-shared"
	WarningPending      = "stale-pending"
	WarningPrevious     = "previous-login"
	WarningCurrent      = "current-refused"
	WarningAdopted      = "standby-adopted"
	WarningUnverified   = "tls-unverified"
	WarningPlain        = "tls-none"
	WarningDrift        = "standby-drift"
	WarningLocked       = "standby-locked"
	WarningExpired      = "standby-expired"
	WarningLeftover     = "former-password"
	WarningRetired      = "standby-retired"
	WarningLeftOut      = "privilege-left-out"
	WarningLeveling     = "standby-note"
	WarningAnonymous    = "anonymous-account"
	WarningUnseen       = "hosts-unseen"
	WarningReader       = "reader-address"
	WarningDictionary   = "password-dictionary"
	WarningKill         = "admin-kill"
	WarningReplica      = "replica"
	WarningBinlog       = "not-logged"
	WarningCluster      = "cluster"
	WarningInstance     = "instance-unseen"
	WarningAddress      = "address-unseen"
	WarningMoreChanges  = "changes-shortened"
)

// advice says of each word what to do, where the finding itself does not say it better.
var advice = map[string]string{
	FindingRequest:       "correct the request",
	FindingNotAllowed:    "add the secret to the list in the worker's configuration",
	FindingPermission:    "allow the action to the worker's identity; docs/policies has the least policies",
	FindingSecret:        "check the secret's name, region and store, and the worker's credentials",
	FindingDeleted:       "restore the secret if it is still needed",
	FindingType:          "make a generic secret with the document as text",
	FindingOwned:         "leave the secret to the service that owns it; make one of your own for accounts of your own",
	FindingOtherRotator:  "switch the other rotator off before this one takes over",
	FindingReplicaSecret: "rotate the secret in its primary region",
	FindingDocument:      "correct the secret's document",
	FindingStrategy:      "name an admin secret in the document, or ask for strategy single-user",
	FindingGrace:         "wait, or ask for it with Now (--now)",
	FindingVersionLimit:  "take the label off the oldest version, or write its value again as a newer one",
	FindingCurrentLogin:  "put the password that works into the secret",
	FindingClientLogin:   "see that clients' address leads to the same database, and takes the current version's login",
	FindingLocked:        "open the account with ALTER USER ... ACCOUNT UNLOCK",
	FindingExpired:       "set the password again, or switch the expiry off with ALTER USER ... PASSWORD EXPIRE NEVER",
	FindingTLS:           "mend the server's TLS or the worker's authorities (ROTOR_MYSQL_CA), or set SSL to false to go without",
	FindingAdminSecret:   "correct the admin secret, or the field of the document that names it",
	FindingAdminAddress:  "give both documents the address of the same server",
	FindingAdminLogin:    "put the password that works into the admin secret",
	FindingAdminRights:   "grant the admin account what it lacks",
	FindingServers:       "give both documents an address that always leads to the server that takes changes",
	FindingReadOnly:      "put the address of the server that takes changes into the documents",
	FindingServer:        "look at the server; this program knows MySQL 5.6 and later and MariaDB 10.1 and later",
	FindingAccountName:   "give the account a shorter name",
	FindingMissing:       "create the account, or correct its name in the document",
	FindingUnclonable:    "change the current account so that another can be made its equal, or rotate with strategy single-user",
	FindingOwnRights:     "give the account the right, or the secret an admin secret",
	FindingSecond:        "if nobody uses it, end it with ALTER USER ... DISCARD OLD PASSWORD",
	FindingRetirement:    "ask for another treatment of the former credential (RetireFormer, RetireWhenIdle, EndSessions)",
	FindingHosts:         "give the secret an admin secret, which can change the account on all hosts",
	FindingForeign:       "drop the account if it is not needed, or take it over with AdoptStandby (--adopt-standby)",
	FindingStandby:       "look at the standby account",
	FindingStale:         "take the pending stage off that version",
	FindingPassword:      "ask for passwords that the target takes (Password in the request, or the worker's settings)",
	FindingHistory:       "accept it with AcceptPasswordHistory (--accept-password-history), or switch the policy off for this account",
	FindingInstance:      "look at the instance",
	FindingSuper:         "rotate the account with strategy single-user",
	FindingCustom:        "give the account privileges that the API can grant, or rotate it with strategy single-user",
	FindingAccountLimit:  "delete an account that nobody needs",
	FindingAccountBusy:   "wait until the account is available again",
	FindingUnreachable:   "see that the server is up and can be reached from the worker",
	FindingUnknown:       "try again; a rotation would try it again, too",

	WarningAdminRotates: "give the admin secret two accounts, or rotate it at another time: for a moment of each of its rotations it does not log in",
	FindingShared:       "give each account pair one secret: two rotations of it would undo each other",
	WarningOpen:         "look at it with: starter describe; its version may be the one that is pending",
	WarningPending:      "nothing has to be done: the next rotation takes it over",
	WarningPrevious:     "clients that still use the previous version can't log in; see that they read the current one",
	WarningCurrent:      "nothing has to be done but to rotate soon: until then clients that read the secret can't log in",
	WarningAdopted:      "make sure that nobody else uses the account: its password is replaced",
	WarningUnverified:   "set SSL to true to demand a verified connection, and name the authority in ROTOR_MYSQL_CA",
	WarningPlain:        "switch TLS on in the server, and set SSL to true to demand it",
	WarningDrift:        "find out who changed it; the next rotation makes it the current account's equal",
	WarningLocked:       "nothing has to be done if it was meant: the next rotation makes it as open as the current account",
	WarningExpired:      "nothing has to be done: the new password ends it",
	WarningLeftover:     "nothing has to be done: it was current before, and the grace time is over",
	WarningRetired:      "nothing has to be done: the rotation gives it a password again",
	WarningLeftOut:      "grant the privilege to the admin account WITH GRANT OPTION if the standby account needs it",
	WarningLeveling:     "look whether it was meant",
	WarningAnonymous:    "drop the anonymous account: DROP USER ''@'...'",
	WarningUnseen:       "give the account SELECT on mysql.* to have it looked at, or the secret an admin secret",
	WarningReader:       "put the writer's address into the document if clients write",
	WarningDictionary:   "nothing has to be done: a random password hardly has a word in it; a rotation whose password is refused rolls back",
	WarningKill:         "GRANT CONNECTION_ADMIN (MariaDB: CONNECTION ADMIN, before MySQL 8: SUPER) to it or wait until that session has ended",
	WarningReplica:      "put the address of the server that it copies from into the documents",
	WarningBinlog:       "see that replicas get the accounts by another way",
	WarningCluster:      "let one worker rotate the accounts of the cluster, at one address",
	WarningInstance:     "allow rds:DescribeDBInstanceAttribute to the worker's identity to have it looked at",
	WarningAddress:      "allow rds:DescribeDBInstanceNetInfo, or correct the address",
	WarningMoreChanges:  "ask for the rotation to see them all in the server's log",
}

// FindingWords lists all words, sorted.
func FindingWords() []string { return slices.Sorted(maps.Keys(advice)) }
