package trial

import (
	"slices"
	"strings"

	"rotor/internal/rotation"
	"rotor/internal/trial/sqlrelay"
)

// Occasion is when a stranger acts: right before an effect, of those that their rotation has had.
type Occasion struct {
	Effects []Effect
	At      int
}

// next is the first effect from there on that one of the conditions holds for.
func (o Occasion) next(conditions ...func(Effect) bool) (e Effect, found bool) {
	rest := o.Effects[o.At:]
	i := slices.IndexFunc(rest, func(e Effect) bool {
		return slices.ContainsFunc(conditions, func(holds func(Effect) bool) bool { return holds(e) })
	})
	if i < 0 {
		return e, false
	}
	return rest[i], true
}

// had says whether there was such an effect before.
func (o Occasion) had(is func(Effect) bool) bool { return slices.ContainsFunc(o.Effects[:o.At], is) }

// looksAtStages is any look at the stages, listsStages one that can decide the outcome, which a retirement's do not.
func looksAtStages(e Effect) bool {
	return e.Source == Store && (strings.HasPrefix(e.Name, "List") || strings.HasPrefix(e.Name, "Describe"))
}

func listsStages(e Effect) bool { return looksAtStages(e) && e.Step != StepRetire }

func puts(e Effect) bool { return e.Source == Store && strings.HasPrefix(e.Name, "Put") }

func movesStage(e Effect) bool {
	return e.Source == Store && strings.HasPrefix(e.Name, "UpdateSecretVersionStage") && !strings.HasSuffix(e.Name, TakingOff)
}

func changesStore(e Effect) bool { return e.Source == Store && e.Changes() }

func changesAccount(e Effect) bool { return (e.Source == SQL || e.Source == RDS) && e.Changes() }

// replacesPassword leaves out changes of an account that leave its password as it is.
func replacesPassword(e Effect) bool {
	return changesAccount(e) && e.Name != "GrantAccountPrivilege" && (e.Source == RDS || strings.Contains(e.Name, "IDENTIFIED") ||
		strings.HasPrefix(e.Name, "SET PASSWORD") || strings.HasPrefix(e.Name, "DROP USER") || strings.HasPrefix(e.Name, "UPDATE"))
}

// logsIn is any login as an account of the secret, provesAccount one by which the rotation would notice another password. A retirement gives the former
// account the password of a retired one whatever it had.
func logsIn(e Effect) bool { return e.Source == SQL && e.Name == sqlrelay.Login }

func provesAccount(e Effect) bool { return logsIn(e) && e.Step != StepRetire }

// StageUnseen says whether what a stranger does to a stage is overwritten before it can be seen: the rotation writes to that stage before it looks at
// the stages again. A store that swaps compares with the move of the current one, and a version's own pending stage is taken off by its name.
func (o Occasion) StageUnseen(stage rotation.Stage, swaps bool) bool {
	writes := puts
	if stage == rotation.Current {
		writes = movesStage
		if swaps {
			return false
		}
	}
	e, found := o.next(listsStages, writes)
	return found && writes(e)
}

// retiresUnseen: the retirement goes on to change an account without another look at the stages.
func (o Occasion) retiresUnseen() bool {
	looks := func(e Effect) bool { return e.Step == StepRetire && looksAtStages(e) }
	e, found := o.next(looks, changesAccount)
	return found && changesAccount(e)
}

// Unlooked: the rotation does not look at the stages any more, but for its retirement.
func (o Occasion) Unlooked() bool {
	_, found := o.next(listsStages)
	return !found
}

// AccountUnseen: the rotation replaces an account's password, or drops it, before it logs in to one again, or looks at something else by which it
// notices that somebody has.
func (o Occasion) AccountUnseen(notices ...func(Effect) bool) bool {
	e, found := o.next(append(notices, provesAccount, replacesPassword)...)
	return found && replacesPassword(e)
}

// SetUnseen: the rotation changes an account before it looks at the stages again, or has done so.
func (o Occasion) SetUnseen() bool {
	e, found := o.next(listsStages, changesAccount)
	return o.had(changesAccount) || found && changesAccount(e)
}

// Unproven: the rotation does not log in to an account any more.
func (o Occasion) Unproven() bool {
	_, found := o.next(provesAccount)
	return !found
}
