package trial

import (
	"slices"
	"strings"

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

func listsStages(e Effect) bool {
	return e.Source == Store && (strings.HasPrefix(e.Name, "List") || strings.HasPrefix(e.Name, "Describe"))
}

func changesStore(e Effect) bool { return e.Source == Store && e.Changes() }

func changesAccount(e Effect) bool { return (e.Source == SQL || e.Source == RDS) && e.Changes() }

// provesAccount: the rotation logs in as an account of the secret, and would notice another password.
func provesAccount(e Effect) bool {
	return e.Source == SQL && e.Name == sqlrelay.Login && e.Step != "Retire"
}

// StageUnseen: the rotation writes to the store before it looks at the stages again.
func (o Occasion) StageUnseen() bool {
	e, found := o.next(listsStages, changesStore)
	return found && changesStore(e)
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

// Proven: every login of the rotation lies before it, or every one that comes before the move of the stage.
func (o Occasion) Proven() bool {
	_, found := o.next(provesAccount)
	return !found
}
