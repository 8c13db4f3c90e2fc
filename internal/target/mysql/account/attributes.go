package account

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Columns of mysql.user that are read, or that say nothing that a clone needs. Privileges end in _priv.
var (
	readColumns = []string{"ssl_type", "ssl_cipher", "x509_issuer", "x509_subject", "max_questions", "max_updates",
		"max_connections", "max_user_connections", "max_statement_time", "plugin", "password_expired", "password_lifetime",
		"account_locked", "password_reuse_history", "password_reuse_time", "password_require_current", "is_role", "default_role"}
	otherColumns = NamesOf("host", "user", "password", "authentication_string", "password_last_changed", "user_attributes")
	// Keys of the JSON documents that hold an account's further attributes.
	mysqlKeys   = NamesOf("metadata", "Password_locking", "Restrictions", "additional_password", "multi_factor_authentication")
	mariadbKeys = NamesOf("access", "version_id", "plugin", "authentication_string", "auth_or", "ssl_type", "ssl_cipher",
		"x509_issuer", "x509_subject", "max_questions", "max_updates", "max_connections", "max_user_connections",
		"max_statement_time", "password_last_changed", "password_lifetime", "account_locked", "is_role", "default_role")
)

// attributes reads the accounts of the user names with all but their privileges, and the hosts of anonymous accounts. Hashes stay in the server.
func (r reader) attributes() (accounts map[Name]*Account, anonymous []string, err error) {
	accounts = map[Name]*Account{}
	names, query, args := r.attributesQuery()
	err = r.each(query, args, func(values []sql.NullString) error {
		row := map[string]sql.NullString{}
		for i, name := range names {
			row[name] = values[i]
		}
		if row["user"].String == "" {
			anonymous = append(anonymous, row["host"].String)
		}
		if !r.of(row["user"].String) || row["is_role"].String == "Y" {
			return nil
		}
		a, err := r.account(row)
		if err != nil {
			return err
		}
		accounts[Name{row["user"].String, a.Host}] = a
		return nil
	})
	return accounts, anonymous, err
}

// attributesQuery selects what this server has: the names of the result's columns, the statement, and its arguments.
func (r reader) attributesQuery() ([]string, string, []any) {
	names := []string{"host", "user"}
	expressions := []string{"u.Host", "u.User"}
	add := func(name, expression string) {
		names, expressions = append(names, name), append(expressions, expression)
	}
	for _, name := range readColumns {
		if _, ok := r.server.userColumns[name]; ok {
			add(name, "u."+name)
		}
	}
	for _, name := range r.server.unknownColumns() {
		// Only whether it is as in a new account: what it holds could be a hash.
		fallback := r.server.userColumns[name].fallback
		add("unknown:"+name, fmt.Sprintf("COALESCE(CAST(u.%s AS CHAR), '') = %s", quoteName(name), quoteString(fallback.String)))
	}
	// A grant table's index is by host, then user. Without the hosts a server looks through all of its accounts, each time.
	table, users := "mysql.user", append(slices.Clone(r.users), "")
	if r.server.globalPriv {
		table = "mysql.global_priv"
	}
	from := "(SELECT DISTINCT Host FROM " + table + ") h JOIN (SELECT ? AS User" + strings.Repeat(" UNION ALL SELECT ?", len(users)-1) + ") n" +
		" JOIN mysql.user u ON u.Host = h.Host AND u.User = n.User"
	switch {
	case r.server.globalPriv:
		from += " JOIN mysql.global_priv p ON p.User = u.User AND p.Host = u.Host"
		add("keys", "JSON_KEYS(p.Priv)")
		add("password_lifetime", "JSON_VALUE(p.Priv, '$.password_lifetime')")
		add("account_locked", "IF(JSON_VALUE(p.Priv, '$.account_locked') IN ('1', 'true'), 'Y', 'N')")
	case r.server.has("user_attributes"):
		add("keys", "JSON_KEYS(u.User_attributes)")
		add("metadata", "JSON_EXTRACT(u.User_attributes, '$.metadata')")
		add("locking", "JSON_EXTRACT(u.User_attributes, '$.Password_locking')")
		add("restrictions", "JSON_EXTRACT(u.User_attributes, '$.Restrictions')")
	}
	return names, "SELECT " + strings.Join(expressions, ", ") + " FROM " + from, arguments(users)
}

func (s Server) has(column string) bool { _, ok := s.userColumns[column]; return ok }

// unknownColumns are columns of mysql.user that are neither read nor known to be of no matter: attributes of a fork, or
// of a later version.
func (s Server) unknownColumns() []string {
	var unknown []string
	for name := range s.userColumns {
		if !slices.Contains(readColumns, name) && !otherColumns.Has(name) && !strings.HasSuffix(name, "_priv") {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	return unknown
}

func (r reader) account(row map[string]sql.NullString) (*Account, error) {
	name := Name{row["user"].String, row["host"].String}
	for _, column := range r.server.unknownColumns() {
		if row["unknown:"+column].String != "1" {
			return nil, unreadable(name, "the server keeps something about it in mysql.user.%s that is not known here", column)
		}
	}
	d := &decoder{row: row}
	a := &Account{
		Host:    name.Host,
		Expired: row["password_expired"].String == "Y",
		Attributes: Attributes{
			Plugin: row["plugin"].String,
			TLS:    TLS{row["ssl_type"].String, row["ssl_cipher"].String, row["x509_issuer"].String, row["x509_subject"].String},
			Limits: Limits{
				Queries: d.int("max_questions"), Updates: d.int("max_updates"), Connections: d.int("max_connections"),
				UserConnections: d.int("max_user_connections"), StatementMicroseconds: d.micros("max_statement_time"),
			},
			Lifetime:  d.setting("password_lifetime"),
			History:   d.setting("password_reuse_history"),
			ReuseDays: d.setting("password_reuse_time"),
			Locked:    row["account_locked"].String == "Y",
		},
	}
	if role := row["default_role"].String; role != "" {
		put(&a.Grants.DefaultRoles, Name{role, ""}, true)
	}
	if a.Attributes.Plugin == "" {
		a.Attributes.Plugin = nativePassword
	}
	if require := row["password_require_current"]; require.Valid {
		a.Attributes.RequireCurrent = Setting{Set: true}
		if require.String == "Y" {
			a.Attributes.RequireCurrent.Value = 1
		}
	}
	if a.Attributes.Lifetime.Value < 0 { // MariaDB writes -1 for the default
		a.Attributes.Lifetime = Setting{}
	}
	if a.Attributes.TLS.Type != "SPECIFIED" {
		a.Attributes.TLS = TLS{Type: a.Attributes.TLS.Type}
	}
	d.document(a, r.server)
	if d.err != nil {
		return nil, unreadable(name, "%v", d.err)
	}
	return a, nil
}

// decoder reads the values of a row and keeps the first error, which names the column.
type decoder struct {
	row map[string]sql.NullString
	err error
}

func (d *decoder) fail(column string) {
	if d.err == nil {
		d.err = fmt.Errorf("the server's %s is not as expected", column)
	}
}

func (d *decoder) int(column string) int64 {
	value := d.row[column]
	if !value.Valid {
		return 0
	}
	n, err := strconv.ParseInt(value.String, 10, 64)
	if err != nil {
		d.fail(column)
	}
	return n
}

func (d *decoder) setting(column string) Setting {
	return Setting{d.row[column].Valid, d.int(column)}
}

func (d *decoder) micros(column string) int64 {
	if !d.row[column].Valid {
		return 0
	}
	n, err := microseconds(d.row[column].String)
	if err != nil {
		d.fail(column)
	}
	return n
}

func (d *decoder) json(column string, into any) {
	if text := d.row[column]; text.Valid && json.Unmarshal([]byte(text.String), into) != nil {
		d.fail(column)
	}
}

// document reads what MySQL 8 and MariaDB keep as JSON. A key that is not known is an error.
func (d *decoder) document(a *Account, s Server) {
	var keys []string
	d.json("keys", &keys)
	known := mysqlKeys
	if s.Flavour == MariaDB {
		known = mariadbKeys
	}
	for _, key := range keys {
		switch {
		case !known.Has(key):
			d.err = fmt.Errorf("the server keeps an attribute %q that is not known here", key)
		case key == "additional_password":
			a.SecondPassword = true
		case key == "multi_factor_authentication" || key == "auth_or":
			a.Attributes.OtherPlugins = []string{key}
		}
	}
	var locking struct {
		Failed int64 `json:"failed_login_attempts"`
		Days   int64 `json:"password_lock_time_days"`
	}
	d.json("locking", &locking)
	a.Attributes.FailedLogins, a.Attributes.LockDays = locking.Failed, locking.Days
	var restrictions []struct {
		Database   string
		Privileges []string
	}
	d.json("restrictions", &restrictions)
	for _, r := range restrictions {
		names := Names{}
		for _, p := range r.Privileges {
			if p == "GRANT" {
				p = GrantOption
			}
			names.add(p)
		}
		put(&a.Grants.Restrictions, r.Database, names)
	}
	if metadata := d.row["metadata"]; metadata.Valid {
		var err error
		if a.Attributes.Attribute, err = canonicalJSON(metadata.String); err != nil {
			d.fail("metadata")
		}
	}
}

// canonicalJSON sorts the keys of an object and drops what doesn't count; an empty object is "".
func canonicalJSON(text string) (string, error) {
	object, err := jsonObject(text)
	if err != nil || len(object) == 0 {
		return "", err
	}
	return encodeJSON(object)
}

func jsonObject(text string) (map[string]any, error) {
	if text == "" {
		return nil, nil
	}
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var object map[string]any
	err := decoder.Decode(&object)
	return object, err
}

func encodeJSON(object map[string]any) (string, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(object); err != nil {
		return "", err
	}
	return strings.TrimSuffix(out.String(), "\n"), nil
}
