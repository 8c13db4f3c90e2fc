package mysql

import (
	"context"
	"crypto/rsa"
	"crypto/tls"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"syscall"

	mysqldriver "github.com/go-sql-driver/mysql"

	"rotor/internal/rotation"
	"rotor/internal/target"
	"rotor/internal/target/mysql/account"
)

// Codes for what happened before, or instead of, an answer of the server.
const (
	codeTimeout  = "timeout"
	codeCanceled = "cancelled"
	codeRefused  = "refused"
	codeUnknown  = "unknown host"
	codeLost     = "lost"
	codeTLS      = "tls"
	codeProtocol = "protocol"
	codeSession  = "lock lost"
)

// Numbers that decide something here. What account statements are answered is the account package's to explain; at a
// login the same number can mean another thing (1044, 1045).
const (
	erDBAccessDenied   = 1044
	erAccessDenied     = 1045
	erBadDB            = 1049
	erNoSuchThread     = 1094
	erKillDenied       = 1095
	erMustChange       = 1820
	erServerShutdown   = 1053
	erQueryInterrupted = 1317
	erStatementTimeout = 1969 // MariaDB's max_statement_time
	erConnectionKilled = 1927 // MariaDB
)

// meaning is what a number means at a login, and what to do.
type meaning struct {
	kind rotation.Kind
	text string
	// accepted: the server says it only after it found the password right.
	accepted bool
}

// error is what the number means where something was tried. What to do stands behind the first semicolon of the text.
func (m meaning) error(doing string, number int) *rotation.Error {
	text, do, _ := strings.Cut(m.text, "; ")
	return rotation.Errorf(m.kind, "%s: %s", doing, text).Advise("%s", do).WithCode(strconv.Itoa(number))
}

// loginMeanings by number. That 1044 and 1049 come after the password was checked was tried on MySQL 5.6, 9.7 and
// MariaDB 10.11: with a wrong password the same login gets 1045.
var loginMeanings = map[uint16]meaning{
	1040: {kind: rotation.Retryable, text: "the server has no free connections"},
	erDBAccessDenied: {kind: rotation.Permanent, accepted: true,
		text: "the password is right, and the account may not use the database; grant it a privilege there, or correct DBName"},
	erAccessDenied: {kind: rotation.Permanent,
		text: "the server refuses the login: the password is wrong, or the account does not exist for the address of this worker, or it demands a TLS connection or a client certificate"},
	erBadDB:          {kind: rotation.Permanent, accepted: true, text: "the password is right, and the database does not exist; correct DBName"},
	erServerShutdown: {kind: rotation.Retryable, text: "the server is shutting down"},
	1129:             {kind: rotation.Retryable, text: "the server blocks the address of this worker after too many broken connections; FLUSH HOSTS unblocks it"},
	1130:             {kind: rotation.Permanent, text: "the server takes no connections from the address of this worker; create the account for it, or for '%'"},
	1203:             {kind: rotation.Retryable, text: "the account has too many connections"},
	1226: {kind: rotation.Retryable, accepted: true,
		text: "the password is right, and the account has used up a resource limit (MAX_USER_CONNECTIONS, MAX_CONNECTIONS_PER_HOUR, ...)"},
	1251: {kind: rotation.Permanent, text: "the account has an authentication method that this program does not speak"},
	1524: {kind: rotation.Permanent, text: "the authentication plugin of the account is not loaded in the server"},
	1698: {kind: rotation.Permanent, text: "the account does not log in with a password (unix_socket or the like); give it one"},
	erMustChange: {kind: rotation.Permanent, accepted: true,
		text: "the password is right, and has expired; set it again with ALTER USER, or switch the expiry off with PASSWORD EXPIRE NEVER"},
	1862: {kind: rotation.Permanent, accepted: true,
		text: "the password is right, and has expired; set it again with ALTER USER, or switch the expiry off with PASSWORD EXPIRE NEVER"},
	3032: {kind: rotation.Retryable, text: "the server is in offline mode"},
	3118: {kind: rotation.Permanent, accepted: true, text: "the password is right, and the account is locked; ALTER USER ... ACCOUNT UNLOCK opens it"},
	3159: {kind: rotation.Permanent, text: "the server takes TLS connections only; set SSL to true, or leave it out"},
	3955: {kind: rotation.Retryable, text: "the account is blocked after too many wrong passwords (FAILED_LOGIN_ATTEMPTS); ALTER USER ... ACCOUNT UNLOCK opens it"},
	4150: {kind: rotation.Retryable, text: "the account is blocked after too many wrong passwords (max_password_errors); FLUSH PRIVILEGES unblocks it"},
	4151: {kind: rotation.Permanent, accepted: true, text: "the password is right, and the account is locked; ALTER USER ... ACCOUNT UNLOCK opens it"},
}

func loggingIn(login target.Login) string {
	return fmt.Sprintf("log in to %s as %q", login.Place.Address(), login.Account)
}

// loginFailure says why a login did not succeed. The driver's text stays here: it can quote packets.
func loginFailure(ctx context.Context, doing string, login target.Login, err error, w *wire, p *protection) *rotation.Error {
	if n := number(err); n != 0 {
		m, known := loginMeanings[n]
		if !known {
			m = meaning{kind: rotation.Retryable, text: "the server answered with an error"}
		}
		return m.error(doing, int(n))
	}
	var certificate *tls.CertificateVerificationError
	if errors.As(err, &certificate) {
		p.unverified = certificate.Err
		return p.tlsFailure(doing)
	}
	switch {
	case errors.Is(err, mysqldriver.ErrNoTLS):
		return rotation.Errorf(rotation.Permanent, "%s: SSL is true and the server offers no TLS", doing).
			Advise("switch TLS on in the server, or set SSL to false").WithCode(codeTLS)
	case errors.Is(err, mysqldriver.ErrCleartextPassword), errors.Is(err, mysqldriver.ErrOldPassword), errors.Is(err, mysqldriver.ErrUnknownPlugin):
		return rotation.Errorf(rotation.Permanent, "%s: the server asks for an authentication method that this program does not speak or that would show "+
			"the password; give the account caching_sha2_password, or mysql_native_password on MariaDB", doing).WithCode(codeProtocol)
	}
	if errors.Is(err, rsa.ErrMessageTooLong) {
		return rotation.Errorf(rotation.Permanent, "%s: the password is too long to be sent without TLS; switch TLS on, or take a password of at most 200 bytes",
			doing).WithCode(codeProtocol)
	}
	if f := networkFailure(ctx, doing, err, w.late); f != nil {
		return f
	}
	if w.tlsBegun && p.version == 0 {
		return p.tlsFailure(doing)
	}
	return rotation.Errorf(rotation.Retryable, "%s: what answers there does not speak MySQL's protocol; is the port right?", doing).WithCode(codeProtocol)
}

// networkFailure recognises what the network did, nil for anything else. late: the server did not speak in time.
func networkFailure(ctx context.Context, doing string, err error, late bool) *rotation.Error {
	var unknown *net.DNSError
	var network net.Error
	fail := func(code, text string) *rotation.Error {
		text, do, _ := strings.Cut(text, "; ")
		return rotation.Errorf(rotation.Retryable, "%s: %s", doing, text).Advise("%s", do).WithCode(code)
	}
	switch {
	case ctx.Err() != nil && errors.Is(ctx.Err(), context.Canceled):
		return fail(codeCanceled, "cancelled")
	case errors.As(err, &unknown) && !unknown.IsTimeout:
		return fail(codeUnknown, "the host name can't be resolved; is Endpoint right?")
	case errors.Is(err, syscall.ECONNREFUSED):
		return fail(codeRefused, "nothing listens there; is the server up, and the port right?")
	case late, errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return fail(codeTimeout, "no answer in time; is the server up, and reachable from this worker?")
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return fail(codeTimeout, "there is no way to that address from this worker")
	case errors.Is(err, mysqldriver.ErrInvalidConn), errors.Is(err, driver.ErrBadConn), errors.Is(err, errLoggedInBefore),
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed),
		errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return fail(codeLost, "the connection broke")
	}
	return nil
}

// number gives the server's error number, 0 if there is none.
func number(err error) uint16 {
	var server *mysqldriver.MySQLError
	if errors.As(err, &server) {
		return server.Number
	}
	return 0
}

// failure turns the error of a statement into one of ours.
func failure(err error, format string, args ...any) error {
	return sessionError(account.Failure(err, format, args...))
}

// sessionError adds to the error of a statement what follows from it: whether the change may have happened all the same.
func sessionError(err error) error {
	var e *rotation.Error
	if !errors.As(err, &e) {
		return err
	}
	f := *e
	switch f.Code {
	case codeTimeout, codeCanceled, codeLost:
		f.Unanswered = true
	case strconv.Itoa(erServerShutdown), strconv.Itoa(erQueryInterrupted), strconv.Itoa(erConnectionKilled):
		f.Kind, f.Unanswered = rotation.Retryable, true
		f.Text += "; the session was ended, by another attempt or by the server's shutdown"
	case strconv.Itoa(erStatementTimeout):
		f.Kind = rotation.Retryable
		f.Text += "; the statement waited too long for a lock (FLUSH TABLES WITH READ LOCK, a backup)"
	}
	return &f
}
