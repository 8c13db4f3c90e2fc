package account

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"rotor/internal/rotation"
)

const (
	nativePassword = "mysql_native_password"
	sha256Password = "sha256_password"
	cachingSHA2    = "caching_sha2_password"
)

// unclonable says why an account with these attributes can't be given a password by statements, "" if it can.
func (s Server) unclonable(a Attributes) string {
	if len(a.OtherPlugins) > 0 {
		return "authenticates in more than one way (" + strings.Join(a.OtherPlugins, ", ") + "), which can't be cloned"
	}
	known := a.Plugin == nativePassword
	switch {
	case s.Flavour == MariaDB:
		known = known || s.can.viaPassword && (a.Plugin == "ed25519" || a.Plugin == "parsec")
	case s.can.alterUser:
		known = known || a.Plugin == sha256Password || a.Plugin == cachingSHA2
	}
	if known {
		return ""
	}
	return fmt.Sprintf("authenticates by the plugin %q, which can't be given a password on this server", a.Plugin)
}

// CheckPlugins says why the accounts of a set can't be given a password.
func (s Server) CheckPlugins(set Set) error {
	for _, a := range set.Accounts {
		if problem := s.unclonable(a.Attributes); problem != "" {
			return rotation.Errorf(rotation.Permanent, "change the password of %s: it %s", Name{set.User, a.Host}, problem)
		}
	}
	return nil
}

// identified is the text around the password that a plugin is to check.
func (s Server) identified(plugin string) (before, after string) {
	switch {
	case s.Flavour == MariaDB && plugin != nativePassword:
		return " IDENTIFIED VIA " + quoteName(plugin) + " USING PASSWORD(", ")"
	case s.Flavour == MySQL && s.can.alterUser:
		return " IDENTIFIED WITH " + quoteName(plugin) + " BY ", ""
	}
	return " IDENTIFIED BY ", ""
}

// createStatement creates an account with all its attributes, or, before MySQL 5.7, with its password only. IF NOT EXISTS
// keeps replicas going that have it already; on this server it would be an error all the same.
func (s Server) createStatement(name Name, a Attributes) Statement {
	before, after := s.identified(a.Plugin)
	text := "CREATE USER " + quoteAccount(name)
	if s.can.ifExists {
		text = "CREATE USER IF NOT EXISTS " + quoteAccount(name)
	}
	if s.can.alterUser {
		after += s.clauses(a, Attributes{})
	}
	out := statement("create "+name.String(), text+before, after)
	out.checksNotes = s.can.ifExists
	return out
}

func (s Server) dropStatement(name Name) Statement {
	if s.can.ifExists {
		return statement("drop "+name.String(), "DROP USER IF EXISTS "+quoteAccount(name))
	}
	return statement("drop "+name.String(), "DROP USER "+quoteAccount(name))
}

// alter is ALTER USER of one account, or of several.
func (s Server) alter() string {
	if s.can.ifExists {
		return "ALTER USER IF EXISTS "
	}
	return "ALTER USER "
}

// attributes levels what ALTER USER does, or GRANT USAGE before MySQL 5.7.
func (p *pair) attributes(want, have Attributes) {
	if want.Plugin != have.Plugin || len(have.OtherPlugins) > 0 {
		before, after := p.server.identified(want.Plugin)
		s := statement("change the authentication plugin of "+p.name.String(), p.server.alter()+quoteAccount(p.name)+before, after)
		s.checksNotes = p.server.can.ifExists
		p.changes.WithPassword = append(p.changes.WithPassword, s)
		p.givenAccount("the plugin " + want.Plugin + " for " + p.name.String())
		have.Plugin, have.OtherPlugins = want.Plugin, nil
	}
	if reflect.DeepEqual(want, have) {
		return
	}
	clauses := p.server.clauses(want, have)
	doing := "change the attributes of " + p.name.String()
	p.changes.Given = append(p.changes.Given, strings.TrimSpace(clauses)+" for "+p.name.String())
	if !p.server.can.alterUser {
		if p.options.Rights.lacksGlobally(GrantOption) {
			p.problem("the admin account can't change attributes (%s), which takes the global GRANT OPTION on this server", strings.TrimSpace(clauses))
		}
		p.changes.Level = append(p.changes.Level, statement(doing, "GRANT USAGE ON *.* TO "+quoteAccount(p.name)+clauses))
		return
	}
	s := statement(doing, p.server.alter()+quoteAccount(p.name)+clauses)
	s.checksNotes = p.server.can.ifExists
	p.changes.Level = append(p.changes.Level, s)
}

// clauses says in SQL where one account's attributes differ from another's. The order is the one that every server takes.
func (s Server) clauses(want, have Attributes) string {
	var out strings.Builder
	if want.TLS != have.TLS {
		out.WriteString(" REQUIRE " + want.TLS.requirement())
	}
	if want.Limits != have.Limits {
		out.WriteString(" WITH" + want.Limits.clauses(have.Limits))
	}
	if want.Lifetime != have.Lifetime {
		out.WriteString(" PASSWORD EXPIRE " + want.Lifetime.phrase("NEVER", "INTERVAL ", " DAY"))
	}
	if want.History != have.History {
		out.WriteString(" PASSWORD HISTORY " + want.History.phrase("0", "", ""))
	}
	if want.ReuseDays != have.ReuseDays {
		out.WriteString(" PASSWORD REUSE INTERVAL " + want.ReuseDays.phrase("0 DAY", "", " DAY"))
	}
	if want.RequireCurrent != have.RequireCurrent {
		out.WriteString(" PASSWORD REQUIRE CURRENT" + map[Setting]string{{}: " DEFAULT", {true, 0}: " OPTIONAL", {true, 1}: ""}[want.RequireCurrent])
	}
	if want.FailedLogins != have.FailedLogins {
		fmt.Fprintf(&out, " FAILED_LOGIN_ATTEMPTS %d", want.FailedLogins)
	}
	if want.LockDays != have.LockDays {
		days := strconv.FormatInt(want.LockDays, 10)
		if want.LockDays < 0 {
			days = "UNBOUNDED"
		}
		out.WriteString(" PASSWORD_LOCK_TIME " + days)
	}
	if want.Locked != have.Locked {
		out.WriteString(map[bool]string{true: " ACCOUNT LOCK", false: " ACCOUNT UNLOCK"}[want.Locked])
	}
	if want.Attribute != have.Attribute {
		out.WriteString(" ATTRIBUTE " + quoteString(mergePatch(want.Attribute, have.Attribute)))
	}
	return out.String()
}

func (s Setting) phrase(zero, before, after string) string {
	switch {
	case !s.Set:
		return "DEFAULT"
	case s.Value == 0:
		return zero
	}
	return before + strconv.FormatInt(s.Value, 10) + after
}

func (t TLS) requirement() string {
	switch t.Type {
	case "ANY":
		return "SSL"
	case "X509":
		return "X509"
	case "SPECIFIED":
		var parts []string
		for _, part := range []struct{ keyword, value string }{{"CIPHER ", t.Cipher}, {"ISSUER ", t.Issuer}, {"SUBJECT ", t.Subject}} {
			if part.value != "" {
				parts = append(parts, part.keyword+quoteString(part.value))
			}
		}
		return strings.Join(parts, " AND ")
	}
	return "NONE"
}

func (l Limits) clauses(have Limits) string {
	var out strings.Builder
	for _, limit := range []struct {
		keyword    string
		want, have int64
	}{
		{"MAX_QUERIES_PER_HOUR", l.Queries, have.Queries},
		{"MAX_UPDATES_PER_HOUR", l.Updates, have.Updates},
		{"MAX_CONNECTIONS_PER_HOUR", l.Connections, have.Connections},
		{"MAX_USER_CONNECTIONS", l.UserConnections, have.UserConnections},
	} {
		if limit.want != limit.have {
			fmt.Fprintf(&out, " %s %d", limit.keyword, limit.want)
		}
	}
	if l.StatementMicroseconds != have.StatementMicroseconds {
		fmt.Fprintf(&out, " MAX_STATEMENT_TIME %d.%06d", l.StatementMicroseconds/1e6, l.StatementMicroseconds%1e6)
	}
	return out.String()
}

// mergePatch is the document that makes one JSON object of another, as RFC 7396 and ALTER USER ... ATTRIBUTE have it.
func mergePatch(want, have string) string {
	// Both were encoded here.
	wanted, _ := jsonObject(want)
	had, _ := jsonObject(have)
	text, _ := encodeJSON(patchObject(wanted, had))
	return text
}

func patchObject(want, have map[string]any) map[string]any {
	patch := map[string]any{}
	for key := range have {
		if _, ok := want[key]; !ok {
			patch[key] = nil
		}
	}
	for key, value := range want {
		old, existed := have[key]
		if existed && reflect.DeepEqual(value, old) {
			continue
		}
		object, isObject := value.(map[string]any)
		oldObject, wasObject := old.(map[string]any)
		if isObject && wasObject {
			value = patchObject(object, oldObject)
		}
		patch[key] = value
	}
	return patch
}
