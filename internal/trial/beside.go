package trial

import (
	"slices"

	"rotor/internal/devstack"
	"rotor/internal/rotation"
)

// AuditBeside says what does not hold of the outcome of a rotation beside which a stranger acted: it may not lie, it writes one version at most
// and loses none, and what the stranger did stands until a person decides. Nothing can compare in the moment between a last look and a write;
// occasion says whether it was such a moment. Out are the clients that were refused since the stranger acted.
func AuditBeside(k Kind, s devstack.Secret, before Picture, m *Meddling, occasion Occasion, after Picture, ended Ended, out []Lockout) []string {
	b := &beside{audit: audit{Kind: k, secret: s, before: before, after: after, ended: ended}, Meddling: m, Occasion: occasion}
	switch ended.Result.Outcome {
	case rotation.Rotated:
		b.rotated()
	case rotation.RolledBack:
		b.rolledBack()
	case rotation.Refused:
		if was, is := m.Left.text(), after.text(); was != is {
			b.say("it was refused, and something has changed since they had acted: from\n%sto\n%s", was, is)
		}
	case rotation.Abandoned:
	default:
		b.say("outcome %q is none", ended.Result.Outcome)
	}
	b.kept()
	b.stands()
	b.readers()
	for _, client := range out {
		if !b.theirsToAnswerFor(client) {
			b.say("locked out: %s", client)
		}
	}
	return b.broken
}

// theirsToAnswerFor: a client is refused whose version did not log in any more when they had changed its account, or of which the rotation could not see
// that they have.
func (b *beside) theirsToAnswerFor(client Lockout) bool {
	if b.Account == "" || client.Account != b.Account {
		return false
	}
	left := b.Left.Find(client.Version)
	return left != nil && !left.LogsIn || b.AccountUnseen(b.keepsFromRetiring)
}

type beside struct {
	audit
	*Meddling
	Occasion
}

// kept: no version is lost or changed, and the rotation has written one at most.
func (b *beside) kept() {
	for _, was := range [][]Version{b.before.Versions, b.Left.Versions} {
		for _, v := range was {
			if now := b.after.Find(v.ID); now == nil {
				b.say("version %s is lost", v.ID)
			} else if !now.Password.Equal(v.Password) || now.Account != v.Account {
				b.say("version %s has another credential", v.ID)
			}
		}
	}
	for _, id := range b.written() {
		if id != b.Version && id != b.ended.Run {
			b.say("version %s is neither theirs nor the rotation's", id)
		}
	}
	for account, may := range b.before.Accounts {
		if now, exists := b.after.Accounts[account]; !exists {
			b.say("account %s is lost", account)
		} else if !slices.Equal(now, may) {
			b.say("account %s may do other things than before: %v, not %v", account, now, may)
		}
	}
}

// stands: what they did is as they left it.
func (b *beside) stands() {
	swaps := b.secret.Store == rotation.StoreAWS
	if b.Stage != "" && !b.StageUnseen(b.Stage, swaps) {
		if v := b.after.Holder(b.Stage); v == nil || v.ID != b.Version {
			b.say("their version is no longer %s", b.Stage)
		}
	}
	if b.TakesOff && !b.StageUnseen(rotation.Pending, swaps) {
		// Secrets Manager leaves the pending stage on the version that has become current.
		if v := b.after.Holder(rotation.Pending); v != nil && !swaps {
			b.say("version %s is pending again", v.ID)
		}
	}
	b.spared()
	if b.Account == "" || b.AccountUnseen(b.keepsFromRetiring) {
		return
	}
	if _, exists := b.after.Accounts[b.Account]; !exists {
		b.say("the account %s, which they changed, is gone", b.Account)
	}
	if theirs := b.after.Find(b.Version); theirs != nil && !theirs.LogsIn {
		b.say("their version no longer logs in")
	}
	for _, v := range b.Left.Versions {
		if now := b.after.Find(v.ID); now != nil && v.Account == b.Account && now.LogsIn != v.LogsIn {
			b.say("version %s of the account that they changed logs in: %t, and when they had done so: %t", v.ID, now.LogsIn, v.LogsIn)
		}
	}
}

// spared: the former credential is not retired while there is a version of theirs to be seen, which may need its account.
func (b *beside) spared() {
	former := b.before.Holder(rotation.Current)
	if b.Version == "" || former.Account == b.Account || b.retiresUnseen() {
		return
	}
	if was, now := b.Left.Find(former.ID), b.after.Find(former.ID); was != nil && was.LogsIn && now != nil && !now.LogsIn && b.StrategyOf(b.secret) != rotation.SingleUser {
		b.say("version %s was current before, and no longer logs in although a version of theirs could be seen", former.ID)
	}
}

// keepsFromRetiring: a retirement that looks at this after they have acted leaves the account alone. With two passwords it compares what the server
// has. An account of its own it gives the password of a retired one whatever it had, unless there is a version that may need it.
func (b *beside) keepsFromRetiring(e Effect) bool {
	return e.Step == StepRetire && (b.Version != "" && looksAtStages(e) || b.StrategyOf(b.secret) == rotation.DualPassword && logsIn(e))
}

func (b *beside) rotated() {
	ours := b.after.Find(b.ended.Run)
	if ours == nil || b.ended.Result.Version != b.ended.Run {
		b.say("the outcome says version %s, and the run is %s", b.ended.Result.Version, b.ended.Run)
		return
	}
	// They may have moved the stage after the rotation had looked for the last time.
	since := b.Stage == rotation.Current && b.Unlooked()
	if current := b.after.Holder(rotation.Current); current == nil || current.ID != ours.ID && (!since || current.ID != b.Version) {
		b.say("the rotation's version is not current")
	}
	if !ours.LogsIn && (b.Account != ours.Account || !b.Unproven()) {
		b.say("the rotation's version does not log in")
	}
	former := b.before.Holder(rotation.Current).Account
	if ours.Account != b.Account && !slices.Equal(b.after.Accounts[ours.Account], b.after.Accounts[former]) {
		b.say("account %s was promoted, and may not do the same as %s: %v, not %v", ours.Account, former, b.after.Accounts[ours.Account], b.after.Accounts[former])
	}
}

func (b *beside) rolledBack() {
	left, current := b.Left.Holder(rotation.Current), b.after.Holder(rotation.Current)
	if current == nil || left == nil || current.ID != left.ID {
		b.say("the version that was current when they had acted is current no longer")
	}
	if current == nil || !current.LogsIn {
		b.say("it was rolled back, and the current version does not log in")
	}
	if pending := b.after.Holder(rotation.Pending); pending != nil && pending.ID == b.ended.Run {
		b.say("the rotation's version is pending still")
	}
	for account := range b.after.Accounts {
		if _, was := b.before.Accounts[account]; !was && account != b.Account {
			b.say("account %s was made, and is left", account)
		}
	}
	base := b.before.Holder(rotation.Current)
	for _, v := range b.before.Versions {
		mayGo := v.Account == b.Account || b.StrategyOf(b.secret) == rotation.DualPassword && v.ID != base.ID
		if now := b.after.Find(v.ID); v.LogsIn && now != nil && !now.LogsIn && !mayGo {
			b.say("version %s no longer logs in", v.ID)
		}
	}
	if ours := b.after.Find(b.ended.Run); ours != nil && ours.LogsIn {
		b.say("the version that was rolled back logs in")
	}
}

// readers: who reads the secret gets in, unless what the stranger changed is what they read.
func (b *beside) readers() {
	current := b.after.Holder(rotation.Current)
	if current == nil {
		b.say("no version is current")
		return
	}
	alone := b.StrategyOf(b.secret) == rotation.SingleUser
	// With one account, a version of theirs that has its former password does not log in once the account is changed.
	theirDoing := current.Account == b.Account || alone && b.Stage == rotation.Current && b.SetUnseen()
	if !current.LogsIn && !theirDoing {
		b.say("the current version does not log in")
	}
}
