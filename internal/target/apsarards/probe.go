package apsarards

import (
	"context"
	"errors"
	"slices"

	"rotor/internal/rotation"
	"rotor/internal/target"
)

// unreachable are the codes of logins that no server answered: nothing listens, no answer in time, no such name, the connection broke (as
// for an address that the instance's IP whitelist lacks), or no logins from this worker's address (1130). A server that speaks,
// but not as it should (TLS), is reached.
var unreachable = []string{"refused", "timeout", "unknown host", "lost", "1130"}

// Probe logs in once, at the document's address if it has one, else at the instance's. Where no server answers, and no login is
// demanded, the API's word has to do: ByAPI.
func (t *Target) Probe(ctx context.Context, login target.Login) target.Proof {
	at, err := t.clientPlace(ctx, login.Place)
	proof := target.Proof{Answer: rotation.Unknown, Code: rotation.CodeOf(err), Err: err}
	reached := false
	switch {
	case err == nil:
		direct := login
		direct.Place = at
		proof = t.logins.Probe(ctx, direct)
		reached = proof.Answer != rotation.Unknown || !slices.Contains(unreachable, proof.Code)
	case !denied(err) && !errors.Is(err, errNoAddress):
		return proof
	}
	switch {
	case proof.Answer == rotation.RefusedLogin:
		return t.refused(ctx, login, proof)
	case reached || ctx.Err() != nil:
		return proof
	case login.Demanded:
		proof.Err = demanded(proof.Err)
		return proof
	}
	return t.byAPI(ctx, login)
}

// errNoAddress says that the API lists no address of an instance.
var errNoAddress = rotation.Errorf(rotation.Retryable, "the instance has no address to log in at")

// clientPlace is where clients log in.
func (t *Target) clientPlace(ctx context.Context, place rotation.Place) (rotation.Place, error) {
	if place.Host != "" {
		return place, nil
	}
	all, err := t.addresses(ctx, place)
	if err != nil {
		return place, err
	}
	if len(all) == 0 {
		return place, errNoAddress
	}
	return all[0], nil
}

// refused looks whether a refusal counts: while a change of the account is under way, the next moment's answer may be another.
func (t *Target) refused(ctx context.Context, login target.Login, proof target.Proof) target.Proof {
	a, exists, err := t.account(ctx, login.Place, login.Account)
	if err == nil && exists {
		err = busy(login.Place, login.Account, a, exists)
	}
	if err != nil {
		return target.Proof{Answer: rotation.Unknown, Code: rotation.CodeOf(err), Err: err}
	}
	return proof
}

// byAPI is the API's word on an account.
func (t *Target) byAPI(ctx context.Context, login target.Login) target.Proof {
	unknown := func(err error) target.Proof {
		return target.Proof{Answer: rotation.Unknown, Code: rotation.CodeOf(err), Err: err, ByAPI: true}
	}
	// An instance that is being restarted can't be reached, and can soon.
	found, err := t.instance(ctx, login.Place)
	switch {
	case err == nil:
		if err := found.busy(login.Place); err != nil {
			return unknown(err)
		}
	case !denied(err):
		return unknown(err)
	}
	a, exists, err := t.account(ctx, login.Place, login.Account)
	if err != nil {
		return unknown(err)
	}
	if !exists {
		return target.Proof{Answer: rotation.RefusedLogin, Code: codeNoAccount, ByAPI: true,
			Err: rotation.Errorf(rotation.Permanent, "account %s of instance %s does not exist", login.Account, login.Place.Instance).WithCode(codeNoAccount)}
	}
	if err := busy(login.Place, login.Account, a, exists); err != nil {
		return unknown(err)
	}
	return target.Proof{Answer: rotation.Accepted, ByAPI: true, Marked: login.Version != "" && a.description == markOf(login.Version)}
}

// demanded adds why the API is not asked.
func demanded(err error) error {
	var e *rotation.Error
	if !errors.As(err, &e) {
		return err
	}
	f := *e
	f.Text += "; the request demands a login (Proof), so the API's word does not count"
	return &f
}
