package rotation

import "time"

// Situation is in what state a parked rotation has left store and target, as far as it could be seen. References only.
type Situation struct {
	// Seen is when it was looked at.
	Seen time.Time
	// Unseen says why the store could not be looked at; then the stages are unknown.
	Unseen string `json:",omitempty"`
	// Current and Pending are the versions that carry the stages, "" if none does.
	Current string `json:",omitempty"`
	Pending string `json:",omitempty"`
	// Written: the version of this rotation is in the store.
	Written bool `json:",omitempty"`
	// Logins are those of the accounts that the rotation works on, the one that was current first.
	Logins []LoginState `json:",omitempty"`
}

// LoginState is which password an account takes.
type LoginState struct {
	Account string
	// Version is the version whose password it takes, "" if it takes none of those that were tried.
	Version string `json:",omitempty"`
	// Refused are the versions whose passwords it does not take.
	Refused []string `json:",omitempty"`
	// Unknown says why it could not be found out.
	Unknown string `json:",omitempty"`
	// ByAPI: a cloud's API says that the account is there; which password it has can't be seen.
	ByAPI bool `json:",omitempty"`
}

// Login gives the state of an account's login; nil if it was not looked at.
func (s *Situation) Login(account string) *LoginState {
	for i := range s.Logins {
		if s.Logins[i].Account == account {
			return &s.Logins[i]
		}
	}
	return nil
}
