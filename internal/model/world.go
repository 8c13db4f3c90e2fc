// Package model explores the protocol exhaustively in the small: rotations, whose steps are the activities' own code, run over a
// store and a target in memory, and every order of their calls is tried, with crashes, lost answers, late attempts, failures and
// terminations at every point. What must always hold is checked in every state.
package model

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"rotor/internal/rotation"
)

// now is when everything happens.
var now = time.Unix(1e6, 0)

// Names that the model's world uses.
const (
	secretName = "app"
	adminName  = "admin"
	base       = "app"
	suffixed   = "app_rt"
)

// version is one version of the secret; its content never changes.
type version struct {
	id, account, password string
}

// account is one account of the target.
type account struct {
	password string
	// second is taken, too, "" if there is none.
	second string
	// equal: it may do what the current account may, nothing less and nothing more.
	equal bool
}

// world is the state of store and target.
type world struct {
	versions                   []version // the newest last
	current, pending, previous string
	accounts                   map[string]account
	// lock is the number of the attempt whose session holds the lock; 0: none.
	lock int
	// off is the rule that is done without, "" if all are kept.
	off Rule
	// swaps: the store moves the current stage only from the version that it is told, in one call.
	swaps bool
	// noSessions: no lock keeps attempts apart.
	noSessions bool
	// single: one account, which has no admin and changes itself.
	single bool
	// dual: one account, which can take two passwords.
	dual bool
	// stranger is what somebody else has done, "" if nobody has.
	stranger string
	// barred: when they had done it, the current version did not log in.
	barred bool
	// decided: a person has decided since; what is done then is theirs to answer for.
	decided bool
	deleted bool
	// foreign: somebody else's is an account, or a second password, from the beginning.
	foreign bool
	// grace: the grace time does not pass.
	grace bool
	// touched counts the changes of each rotation, so that "nothing was changed" can be seen.
	touched [mostRotations]int
}

// initial is a secret that has been rotated before, or one without a partner yet.
func initial(o Options) world {
	w := world{accounts: map[string]account{base: {password: "v0-password", equal: true}}, current: "v0", single: o.Single, dual: o.DualPassword, foreign: o.Foreign, grace: o.Grace}
	if o.Single || o.DualPassword {
		w.versions = append(w.versions, version{"v-1", base, "v-1-password"})
		w.previous = "v-1"
		if o.Partner {
			w.accounts[base] = account{"v0-password", "v-1-password", true}
		}
		if o.MovedBack {
			w.accounts[base] = account{"v-1-password", "v0-password", true}
		}
	} else if o.Partner {
		w.versions = append(w.versions, version{"v-1", suffixed, "v-1-password"})
		w.previous = "v-1"
		w.accounts[suffixed] = account{password: "v-1-password", equal: true}
	}
	switch {
	case o.Foreign && o.DualPassword:
		w.accounts[base] = account{"v0-password", theirs, true}
	case o.Foreign:
		w.accounts[suffixed] = account{password: theirs}
	}
	w.versions = append(w.versions, version{"v0", base, "v0-password"})
	for i := range o.Older {
		w.versions = slices.Insert(w.versions, i, version{fmt.Sprint("older", i), base, fmt.Sprint("older", i)})
	}
	for i := range o.Newer {
		w.versions = append(w.versions, version{fmt.Sprint("newer", i), base, fmt.Sprint("newer", i)})
	}
	return w
}

// keeps is how many versions a store that doesn't compare has, as KMS: then the earliest is dropped, whatever stage it carries.
const keeps = 10

// put adds a version that becomes the pending one.
func (w *world) put(v version) {
	w.versions, w.pending = append(w.versions, v), v.id
	if !w.swaps && len(w.versions) > keeps {
		w.versions = w.versions[1:]
	}
}

// dropped is a version with a stage that is there no longer, "" if there is none.
func (w *world) dropped() string {
	for _, id := range []string{w.current, w.previous, w.pending} {
		if _, there := w.find(id); id != "" && !there {
			return id
		}
	}
	return ""
}

func (w world) clone() world {
	w.versions = slices.Clone(w.versions)
	w.accounts = maps.Clone(w.accounts)
	return w
}

func (w *world) find(id string) (version, bool) {
	i := slices.IndexFunc(w.versions, func(v version) bool { return v.id == id })
	if i < 0 {
		return version{}, false
	}
	return w.versions[i], true
}

// writtenBy counts the versions that a rotation has written.
func (w *world) writtenBy(id string) (n int) {
	for _, v := range w.versions {
		if strings.HasPrefix(v.id, id) {
			n++
		}
	}
	return n
}

// created is when a version was written: those of rotations now, if time does not pass.
func (w *world) created(id string) time.Time {
	i := slices.IndexFunc(w.versions, func(v version) bool { return v.id == id })
	first := slices.IndexFunc(w.versions, func(v version) bool { return v.id == "v0" })
	if w.grace && i > first {
		return now.Add(time.Duration(i) * time.Nanosecond)
	}
	return time.Unix(int64(i), 0)
}

// list is what a store would answer, the newest first.
func (w *world) list() rotation.Versions {
	var list rotation.Versions
	for _, v := range w.versions {
		r := rotation.Version{ID: v.id, Created: w.created(v.id)}
		for _, stage := range []struct {
			name   rotation.Stage
			holder string
		}{{rotation.Current, w.current}, {rotation.Pending, w.pending}, {rotation.Previous, w.previous}} {
			if stage.holder == v.id {
				r.Stages = append(r.Stages, stage.name)
			}
		}
		list = append(list, r)
	}
	slices.Reverse(list)
	return list
}

// foreignLogsIn says whether somebody else's password, which was there first, is still taken.
func (w *world) foreignLogsIn() bool {
	return w.accounts[base].takes(theirs) || w.accounts[suffixed].takes(theirs)
}

// logsIn says whether the credential of a version works.
func (w *world) logsIn(id string) bool {
	v, ok := w.find(id)
	a, exists := w.accounts[v.account]
	return ok && exists && a.takes(v.password)
}

func (a account) takes(password string) bool {
	return a.password == password || a.second != "" && a.second == password
}

func (w *world) key(b *strings.Builder) {
	for _, v := range w.versions {
		fmt.Fprintf(b, "%s %s %s,", v.id, v.account, v.password)
	}
	fmt.Fprintf(b, "|%s %s %s|", w.current, w.pending, w.previous)
	for _, name := range slices.Sorted(maps.Keys(w.accounts)) {
		fmt.Fprintf(b, "%s %v,", name, w.accounts[name])
	}
	fmt.Fprintf(b, "|%d %s %t %t", w.lock, w.stranger, w.barred, w.decided)
	for _, changes := range w.touched {
		fmt.Fprintf(b, " %t", changes > 0)
	}
}

// document is the text of a version's document.
func (w *world) document(v version) rotation.Secret {
	if w.single {
		return rotation.NewSecret(fmt.Sprintf(`{"AccountName":%q,"AccountPassword":%q,"Endpoint":"db"}`, v.account, v.password))
	}
	return rotation.NewSecret(fmt.Sprintf(`{"AccountName":%q,"AccountPassword":%q,"Endpoint":"db","MasterSecret":%q}`, v.account, v.password, adminName))
}
