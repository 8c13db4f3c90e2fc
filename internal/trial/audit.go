package trial

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"rotor/internal/devstack"
	"rotor/internal/rotation"
)

// Audit says what of an outcome, and of the invariants, does not hold: before is how things were when the rotation began, after how they
// are now that it has ended.
func Audit(k Kind, s devstack.Secret, before, after Picture, ended Ended) []string {
	a := &audit{Kind: k, secret: s, before: before, after: after, ended: ended}
	if len(after.Versions) == 0 || len(before.Versions) == 0 {
		return []string{"there is no secret"}
	}
	switch ended.Result.Outcome {
	case rotation.Rotated:
		a.rotated()
	case rotation.RolledBack:
		a.rolledBack()
	case rotation.Refused:
		a.refused()
	case rotation.Abandoned:
	default:
		a.say("outcome %q is none", ended.Result.Outcome)
	}
	a.always()
	return a.broken
}

type audit struct {
	Kind
	secret        devstack.Secret
	before, after Picture
	ended         Ended
	broken        []string
}

func (a *audit) say(format string, args ...any) {
	a.broken = append(a.broken, fmt.Sprintf(format, args...))
}

// always holds whatever the outcome.
func (a *audit) always() {
	if v := a.after.Holder(rotation.Current); v == nil || !v.LogsIn {
		a.say("the current version does not log in")
	}
	for _, v := range a.before.Versions {
		if now := a.after.Find(v.ID); now == nil {
			a.say("version %s is lost", v.ID)
		} else if !now.Password.Equal(v.Password) || now.Account != v.Account {
			a.say("version %s has another credential", v.ID)
		}
	}
	for account, may := range a.before.Accounts {
		now, exists := a.after.Accounts[account]
		switch {
		case !exists:
			a.say("account %s is lost", account)
		case !slices.Equal(now, may):
			a.say("account %s may do other things than before: %v, not %v", account, now, may)
		}
	}
}

// written are the versions that were not there before.
func (a *audit) written() (ids []string) {
	for _, v := range a.after.Versions {
		if a.before.Find(v.ID) == nil {
			ids = append(ids, v.ID)
		}
	}
	return ids
}

func (a *audit) rotated() {
	base, current := a.before.Holder(rotation.Current), a.after.Holder(rotation.Current)
	if ids := a.written(); len(ids) != 1 {
		a.say("%d versions were written, not one: %v", len(ids), ids)
	}
	if current == nil || base == nil {
		a.say("no version is current")
		return
	}
	result := a.ended.Result
	if current.ID != result.Version || result.Version != a.ended.Run {
		a.say("version %s is current, the outcome says %s, and the run is %s", current.ID, result.Version, a.ended.Run)
	}
	if previous := a.after.Holder(rotation.Previous); previous == nil || previous.ID != base.ID {
		a.say("the version before is not the previous one")
	}
	if pending := a.after.Holder(rotation.Pending); pending != nil && (pending.ID != current.ID || a.secret.Store != rotation.StoreAWS) {
		a.say("version %s is pending still", pending.ID)
	}
	if current.Rest != base.Rest {
		a.say("the document has changed in more than account and password")
	}
	if current.Password.Equal(base.Password) {
		a.say("the password is the one from before")
	}
	for account := range a.after.Accounts {
		if _, was := a.before.Accounts[account]; !was && account != current.Account {
			a.say("account %s was made, and is not the one of the current version", account)
		}
	}
	a.replaced(base, current)
}

// replaced is about the credentials before and after.
func (a *audit) replaced(base, current *Version) {
	strategy, former := a.StrategyOf(a.secret), a.after.Find(base.ID)
	stays := strategy != rotation.SingleUser && !a.Retires
	switch {
	case former == nil:
		a.say("the version before is gone")
	case stays && !former.LogsIn:
		a.say("the former credential no longer works")
	case !stays && former.LogsIn:
		a.say("the former password still works")
	}
	if changed := current.Account != base.Account; changed != (strategy == rotation.DualAccount) {
		a.say("the account was %s, and is %s", base.Account, current.Account)
	}
	if !slices.Equal(a.after.Accounts[current.Account], a.after.Accounts[base.Account]) {
		a.say("account %s was promoted, and may not do the same as %s: %v, not %v", current.Account, base.Account,
			a.after.Accounts[current.Account], a.after.Accounts[base.Account])
	}
}

func (a *audit) rolledBack() {
	base, current := a.before.Holder(rotation.Current), a.after.Holder(rotation.Current)
	if ids := a.written(); len(ids) > 1 {
		a.say("%d versions were written: %v", len(ids), ids)
	}
	if current == nil || base == nil || current.ID != base.ID {
		a.say("the version from before is not current")
	}
	if pending := a.after.Holder(rotation.Pending); pending != nil && base != nil && pending.ID != base.ID {
		a.say("version %s is pending still", pending.ID)
	}
	if !slices.Equal(a.accounts(a.before), a.accounts(a.after)) {
		a.say("there are accounts %v, and there were %v", a.accounts(a.after), a.accounts(a.before))
	}
	for _, v := range a.before.Versions {
		// A third password can't be given back to an account that takes two.
		mayGo := a.StrategyOf(a.secret) == rotation.DualPassword && base != nil && v.ID != base.ID
		if now := a.after.Find(v.ID); v.LogsIn && now != nil && !now.LogsIn && !mayGo {
			a.say("version %s no longer logs in", v.ID)
		}
	}
	for _, id := range a.written() {
		if v := a.after.Find(id); v.LogsIn {
			a.say("version %s, which was rolled back, logs in", id)
		}
	}
}

func (a *audit) refused() {
	if was, is := a.before.text(), a.after.text(); was != is {
		a.say("it was refused, and something has changed: from\n%sto\n%s", was, is)
	}
}

func (a *audit) accounts(p Picture) []string { return slices.Sorted(maps.Keys(p.Accounts)) }

// text is everything of a picture but passwords.
func (p Picture) text() string {
	var b strings.Builder
	for _, v := range p.Versions {
		fmt.Fprintf(&b, "%s %v %s, logs in: %t\n", v.ID, v.Stages, v.Account, v.LogsIn)
	}
	for _, account := range slices.Sorted(maps.Keys(p.Accounts)) {
		fmt.Fprintf(&b, "%s %v\n", account, p.Accounts[account])
	}
	return b.String()
}
