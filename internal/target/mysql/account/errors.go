package account

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/go-sql-driver/mysql"

	"rotor/internal/rotation"
)

// Numbers of server errors that decide something here. The names are the servers'.
const (
	erDBAccessDenied    = 1044 // also: MariaDB's GRANT ALL ON db.*, and SHOW GRANTS FOR without SELECT on mysql
	erAccessDenied      = 1045 // also: GRANT of a global privilege that the admin lacks
	erBadDatabase       = 1049
	erBadField          = 1054 // GRANT on a column that is gone
	erNonexistingGrant  = 1141 // also: SHOW GRANTS of an account that is gone
	erTableAccessDenied = 1142
	erNoSuchTable       = 1146 // GRANT on a table that is gone
	erUnknownVariable   = 1193
	erSpecificAccess    = 1227 // dynamic privileges, roles, SYSTEM_USER
	erCannotUser        = 1396 // CREATE of an account that exists, ALTER and DROP of one that doesn't
	erNoSuchRoutine     = 1305
	erPasswordNoMatch   = 1133 // the account is gone: GRANT and SET PASSWORD before MySQL 8, MariaDB
	erCantCreateByGrant = 1410 // GRANT to an account that is gone, MySQL 8
	erProxyDenied       = 1698 // also: MariaDB's GRANT of a role without admin option

	noteUserExists    = 3163 // CREATE USER IF NOT EXISTS did nothing; MariaDB: 1973
	noteUserExistsMDB = 1973
	noteNoUser        = 3162 // ALTER and DROP USER IF EXISTS did nothing; MariaDB: 1974 for DROP, 1396 for ALTER
	noteNoUserMDB     = 1974
)

// meanings says what a number means in account statements, and what to do. A number that is not here is reported bare.
var meanings = map[uint16]struct {
	kind rotation.Kind
	text string
}{
	1040:                {rotation.Retryable, "the server has no free connections"},
	erDBAccessDenied:    {rotation.Permanent, "the admin account lacks a right on that schema"},
	erAccessDenied:      {rotation.Permanent, "the admin account lacks a privilege that the statement gives or takes, or the right to pass it on"},
	erBadField:          {rotation.Permanent, "a column that the privilege is for no longer exists: revoke it from the current account"},
	1064:                {rotation.Permanent, "the server does not know this form of the statement"},
	1131:                {rotation.Permanent, "anonymous accounts can't change passwords"},
	1132:                {rotation.Permanent, "the admin account lacks UPDATE on the mysql schema"},
	erPasswordNoMatch:   {rotation.Conflict, "the account does not exist any more"},
	erNonexistingGrant:  {rotation.Conflict, "the account or the privilege does not exist any more"},
	erTableAccessDenied: {rotation.Permanent, "the admin account lacks a right on that table; reading accounts takes SELECT on mysql.*"},
	1143:                {rotation.Permanent, "the admin account lacks a right on that column"},
	erNoSuchTable:       {rotation.Permanent, "the table that the privilege is for no longer exists: revoke it from the current account"},
	1147:                {rotation.Conflict, "the privilege on that table does not exist any more"},
	1205:                {rotation.Retryable, "waiting for a lock took too long"},
	1213:                {rotation.Retryable, "a deadlock in the grant tables"},
	erSpecificAccess:    {rotation.Permanent, "the admin account lacks a privilege (SYSTEM_USER, a dynamic privilege or a role with the right to pass it on, CREATE USER)"},
	1290:                {rotation.Permanent, "the server is read-only, or runs with an option that forbids the statement"},
	erNoSuchRoutine:     {rotation.Permanent, "the routine that the privilege is for no longer exists: revoke it from the current account"},
	1370:                {rotation.Permanent, "the admin account lacks a right on that routine"},
	erCannotUser:        {rotation.Conflict, "the account exists already, or exists no more, or the password is longer than its plugin takes"},
	erCantCreateByGrant: {rotation.Conflict, "the account does not exist any more"},
	1470:                {rotation.Permanent, "a name is longer than the server takes"},
	1524:                {rotation.Permanent, "the account's authentication plugin is not loaded"},
	erProxyDenied:       {rotation.Permanent, "the admin account may not pass on that PROXY privilege or role"},
	1792:                {rotation.Permanent, "the transaction is read-only"},
	1819:                {rotation.Permanent, "the password does not satisfy the server's password policy"},
	1820:                {rotation.Permanent, "the password of the session's account has expired and must be changed first"},
	1827:                {rotation.Permanent, "the server took the password for a hash of another plugin"},
	1836:                {rotation.Permanent, "the server is in read-only mode"},
	1959:                {rotation.Conflict, "the role is not granted to the account any more"},
	3530:                {rotation.Conflict, "the role is not granted to the account any more"},
	3628:                {rotation.Permanent, "the role is mandatory on this server and can't be revoked"},
	3638:                {rotation.Permanent, "the password was used before, and the reuse policy forbids it"},
	3878:                {rotation.Permanent, "an empty password can't be kept as second password"},
	3891:                {rotation.Conflict, "the current password that was given is not the account's"},
	3892:                {rotation.Permanent, "the server wants the current password for this change"},
	3894:                {rotation.Permanent, "the plugin can't change while the current password is kept"},
	3901:                {rotation.Permanent, "the server finds the privilege on that schema both granted and partially revoked; accounts of that name on other hosts count, too"},
	4006:                {rotation.Permanent, "the account defines views, routines, triggers or events and can't be dropped"},
}

// Failure turns an error of the driver into one that may leave the process: what was tried, the server's number, and what
// it means. What was tried names accounts and privileges, never a password. It gives nil for nil.
func Failure(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	var ours *rotation.Error
	if errors.As(err, &ours) {
		return err
	}
	doing := fmt.Sprintf(format, args...)
	var server *mysql.MySQLError
	if errors.As(err, &server) {
		code := strconv.Itoa(int(server.Number))
		meaning, ok := meanings[server.Number]
		if !ok {
			return rotation.Errorf(rotation.Retryable, "%s: the server answered with an error", doing).WithCode(code)
		}
		return rotation.Errorf(meaning.kind, "%s: %s", doing, meaning.text).WithCode(code)
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return rotation.Errorf(rotation.Retryable, "%s: no answer in time; the server may still carry it out", doing).WithCode("timeout")
	case errors.Is(err, context.Canceled):
		return rotation.Errorf(rotation.Retryable, "%s: cancelled; the server may still carry it out", doing).WithCode("cancelled")
	}
	return rotation.Errorf(rotation.Retryable, "%s: the connection broke; the server may still carry it out", doing).WithCode("lost")
}

// number gives the server's error number, 0 if there is none.
func number(err error) uint16 {
	var server *mysql.MySQLError
	if errors.As(err, &server) {
		return server.Number
	}
	return 0
}

// deniedCode: the server said that the admin may not do it.
func deniedCode(err error) bool {
	switch rotation.CodeOf(err) {
	case "1044", "1045", "1142", "1143", "1227", "1370", "1698":
		return true
	}
	return false
}
