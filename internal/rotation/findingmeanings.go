package rotation

import (
	"maps"
	"slices"
)

// problemsFound says of each word of a problem what was found.
var problemsFound = map[string]string{
	FindingRequest:       "the request itself can't be right, or this worker has no such store or target",
	FindingNotAllowed:    "the secret, or its admin secret, is not on the worker's list",
	FindingPermission:    "the store or the RDS API denies the worker an action, which is named",
	FindingSecret:        "there is no such secret, or it can't be read",
	FindingDeleted:       "it is scheduled for deletion",
	FindingType:          "it is of a type, or holds a kind of data, that is not rotated here",
	FindingOwned:         "a service of AWS owns it and rotates it itself",
	FindingOtherRotator:  "Secrets Manager rotates it with a Lambda",
	FindingReplicaSecret: "it is the replica of a secret in another region",
	FindingDocument:      "its value is no document, or a field is missing or wrong",
	FindingStrategy:      "the strategy that was asked for can't be used with it",
	FindingGrace:         "the credential before the current one is still good, and would be replaced",
	FindingVersionLimit:  "one more version would push out one that is needed",
	FindingCurrentLogin:  "the current version does not log in",
	FindingClientLogin:   "it does not log in where clients do",
	FindingLocked:        "its password is right, and the account is locked",
	FindingExpired:       "its password is right, and has expired",
	FindingTLS:           "a TLS connection as the document demands it does not come about",
	FindingAdminSecret:   "the admin secret can't be read, or is of the account pair itself",
	FindingAdminAddress:  "it is not known to lead to the same database",
	FindingAdminLogin:    "the admin secret does not log in",
	FindingAdminRights:   "the admin account may not do what will be needed; what it lacks is named",
	FindingOwnRights:     "an account that changes itself may not do what will be needed",
	FindingServers:       "two logins at the same address reach different servers",
	FindingReadOnly:      "the server takes no changes: a replica, or a reader endpoint",
	FindingServer:        "the server can't be looked at, or is none that is known",
	FindingAccountName:   "the standby account's name can't be one there",
	FindingMissing:       "the account does not exist",
	FindingUnclonable:    "the current account has something that another can't be given",
	FindingHosts:         "an account that changes itself exists on several hosts",
	FindingForeign:       "the standby account exists, and no version of the secret logs in to it",
	FindingStandby:       "it could not be found out which password it has",
	FindingSecond:        "the account accepts a second password that no version explains",
	FindingRetirement:    "the former credential can't be treated as asked after the rotation",
	FindingStale:         "a pending version differs in more than account and password",
	FindingPassword:      "no password can satisfy both the policy that was asked for and the target's",
	FindingHistory:       "the server would forbid going back to a former password",
	FindingInstance:      "the ApsaraDB RDS instance is not one whose accounts can be changed now",
	FindingSuper:         "an account of the pair is a privileged one",
	FindingCustom:        "the account has privileges that the API can't give to another",
	FindingAccountLimit:  "the instance has as many accounts as it takes",
	FindingAccountBusy:   "an account is being changed",
	FindingUnreachable:   "the server did not answer",
	FindingUnknown:       "something else kept it from being found out",
	FindingShared:        "another secret of the same `plan --check` has the same account pair",
}

// warningsFound says it of each word of a warning.
var warningsFound = map[string]string{
	WarningOpen:         "a rotation of the secret is open",
	WarningPending:      "an unfinished rotation left a pending version",
	WarningPrevious:     "the previous version does not log in, another one does",
	WarningCurrent:      "the current version does not log in, and the rotation knows what does",
	WarningAdopted:      "a standby account that may be somebody else's is taken over, as asked",
	WarningUnverified:   "TLS is used, and the server's certificate does not prove whose it is",
	WarningPlain:        "no TLS is used",
	WarningDrift:        "the standby account is not the equal of the current one",
	WarningLocked:       "the standby account is locked",
	WarningExpired:      "its password has expired",
	WarningLeftover:     "the account still accepts the password that was current before, and the new one replaces that",
	WarningRetired:      "the standby account was retired after an earlier rotation",
	WarningLeftOut:      "a privilege that may be missing can't be granted by the admin",
	WarningLeveling:     "something about the standby account that changes nothing",
	WarningAnonymous:    "for some clients an anonymous account is preferred",
	WarningUnseen:       "an account that changes itself can't see whether it exists on further hosts",
	WarningReader:       "the secret's own address is a reader's",
	WarningDictionary:   "the server looks new passwords up in a list of words",
	WarningKill:         "another session holds the lock, and the admin may not be able to end it",
	WarningReplica:      "the server replicates from another one and takes changes all the same",
	WarningBinlog:       "what the admin changes does not get into the binary log",
	WarningCluster:      "the server is a node of a Galera cluster, where a lock is one node's",
	WarningInstance:     "the worker may not look at the instance",
	WarningAddress:      "it could not be seen whether the secret's address is the instance's",
	WarningMoreChanges:  "there are more changes than are shown",
	WarningAdminRotates: "the admin secret is rotated by another entry of the same `plan --check`, with one account",
}

// Word is one that findings have, for whoever lists them.
type Word struct {
	Word string
	// Found says what was found, Do what to do about it where the finding itself does not say it better.
	Found, Do string
}

// ProblemWords are the words of problems, sorted.
func ProblemWords() []Word { return described(problemsFound) }

// WarningWords are the words of warnings, sorted.
func WarningWords() []Word { return described(warningsFound) }

func described(found map[string]string) (words []Word) {
	for _, word := range slices.Sorted(maps.Keys(found)) {
		words = append(words, Word{word, found[word], advice[word]})
	}
	return words
}
