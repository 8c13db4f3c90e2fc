package mysql

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"rotor/internal/rotation"
	"rotor/internal/target"
	"rotor/internal/target/mysql/account"
)

// Probe logs in once, to the document's database and in its TLS mode, as a client would. Accepted are also the refusals that
// the server speaks out only after it found the password right: 1044 and 1049 (the database), 1226, 1820, 1862, 3118, 4151.
func (t *Target) Probe(ctx context.Context, login target.Login) target.Proof {
	conn, err := t.open(ctx, login)
	if err != nil {
		return refusal(err)
	}
	defer conn.close()
	proof := target.Proof{Answer: rotation.Accepted, TLS: conn.tls, Cipher: conn.cipher}
	server, matched, err := account.Identify(ctx, conn.Conn)
	if err != nil {
		proof.Err = afterLogin(err, login)
		proof.Code = rotation.CodeOf(proof.Err)
		return proof
	}
	proof.Server = server
	if at := strings.LastIndexByte(matched, '@'); at >= 0 && matched[:at] == login.Account {
		t.rememberHost(proof.Server, login.Account, matched[at+1:])
	}
	return proof
}

// afterLogin says what went wrong with the first statement: the login itself has succeeded. MariaDB can let an account with an
// expired password in, and then take nothing but a new one.
func afterLogin(err error, login target.Login) error {
	if m, ok := loginMeanings[number(err)]; ok && number(err) == erMustChange {
		return m.error(loggingIn(login), erMustChange)
	}
	return failure(err, "ask %s who it is, after the login of %q", login.Place.Address(), login.Account)
}

// refusal is the proof of a login that did not succeed.
func refusal(err error) target.Proof {
	proof := target.Proof{Answer: rotation.Unknown, Err: err}
	var e *rotation.Error
	if !errors.As(err, &e) {
		return proof
	}
	proof.Code = e.Code
	n, err := strconv.ParseUint(e.Code, 10, 16)
	if err != nil {
		return proof // a word
	}
	switch {
	case n == erAccessDenied:
		proof.Answer = rotation.RefusedLogin
	case loginMeanings[uint16(n)].accepted:
		proof.Answer = rotation.Accepted
	}
	return proof
}
