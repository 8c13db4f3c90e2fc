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

// listsStages leaves out what a retirement looks at, which decides no outcome.
func listsStages(e Effect) bool {
	return e.Source == Store && e.Step != "Retire" && (strings.HasPrefix(e.Name, "List") || strings.HasPrefix(e.Name, "Describe"))
}

func puts(e Effect) bool { return e.Source == Store && strings.HasPrefix(e.Name, "Put") }

func movesStage(e Effect) bool {
	return e.Source == Store && strings.HasPrefix(e.Name, "UpdateSecretVersionStage")
}

func changesStore(e Effect) bool { return e.Source == Store && e.Changes() }

func changesAccount(e Effect) bool { return (e.Source == SQL || e.Source == RDS) && e.Changes() }

// provesAccount: the rotation logs in as an account of the secret, and would notice another password.
func provesAccount(e Effect) bool {
	return e.Source == SQL && e.Name == sqlrelay.Login && e.Step != "Retire"
}

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

// Unlooked: the rotation does not look at the stages any more.
func (o Occasion) Unlooked() bool {
	_, found := o.next(listsStages)
	return !found
}

// AccountUnseen: the rotation changes an account before it logs in to one again.
func (o Occasion) AccountUnseen() bool {
	e, found := o.next(provesAccount, changesAccount)
	return found && changesAccount(e)
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
