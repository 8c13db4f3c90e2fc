// Package account reads, compares and changes the accounts of a MySQL or MariaDB server: it makes the accounts of one
// user name the equals of another's, host by host, nothing missing and nothing more.
//
// Every function works on a connection that its caller opened as an admin and holds a lock on. It sets the session up
// for itself first (sql_mode, quoting, character set) and leaves it so: give it a connection of its own.
//
// Privileges are read from SHOW GRANTS, and everything else from the grant tables: SHOW CREATE USER loses characters
// outside the basic plane, doesn't escape TLS subjects (seen on 9.7), hides a partial revoke of GRANT OPTION and the
// expiry policy of an expired account, and quotes the password's hash, which thus is never fetched. Where the two tell
// the same thing and differ, that is an error.
//
// Account statements commit by themselves. If the context ends while one waits in the server, behind FLUSH TABLES WITH
// READ LOCK for example, the server still carries it out later unless its session is killed too (KILL, from another
// connection); until then nobody can know what the account looks like. Before MySQL 8.0 a change of several accounts is
// several statements, so that a failure can leave some of them changed: calling again is safe and finishes it.
//
// Errors are *rotation.Error. Code is the server's error number; the server's text, which can quote statements, is
// never passed on.
package account
