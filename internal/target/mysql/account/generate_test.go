package account_test

import (
	"maps"
	"slices"

	"pgregory.net/rapid"

	"rotor/internal/target/mysql/account"
)

// Names that other programs break on.
var (
	oddUsers = []string{"app", "we'ird`u", `back\s`, "a TO b", "a ON `b`", "dé", "per%c_nt", "a@b", `"dq"`, "x'@'%", "WITH GRANT"}
	oddHosts = []string{"%", "localhost", "10.0.0.0/255.255.255.0", "192.168.1.%", "db-_.example.com", "::1", "10.1.2.3"}
	oddTexts = []string{"it's", `back\slash`, `double"quote`, "/C=DE/O=é", " AND ISSUER 'x", "' WITH GRANT OPTION", "x' SUBJECT 'y", "plain"}
)

// someOf draws a subset, seldom a large one.
func someOf(t *rapid.T, label string, names []string, most int) account.Names {
	out := account.Names{}
	for range rapid.IntRange(0, most).Draw(t, "how many "+label) {
		out[rapid.SampledFrom(names).Draw(t, label)] = struct{}{}
	}
	return out
}

func oneIn(t *rapid.T, n int, label string) bool { return rapid.IntRange(1, n).Draw(t, label) == n }

// drawSet makes a user on one to three hosts.
func (w *world) drawSet(t *rapid.T, user string) account.Set {
	set := account.Set{User: user}
	hosts := rapid.SliceOfNDistinct(rapid.SampledFrom(oddHosts), 1, 3, rapid.ID).Draw(t, "hosts")
	if w.server.PartialRevokes() {
		// Where one account has a privilege on a schema and another of that name, on a host that the first one's pattern
		// covers, a partial revoke of it, 9.7 refuses statements about both (1141, 3901).
		hosts = []string{"10.1.2.3"}
	}
	slices.Sort(hosts)
	for _, host := range hosts {
		set.Accounts = append(set.Accounts, account.Account{Host: host, Grants: w.drawGrants(t), Attributes: w.drawAttributes(t)})
	}
	return set
}

// privileges draws a set of a level: sometimes all of them, sometimes with the grant option.
func privileges(t *rapid.T, label string, all account.Names, marked bool) account.Names {
	names := someOf(t, label, all.Sorted(), 4)
	if oneIn(t, 6, "all "+label) {
		names = maps.Clone(all)
		if marked {
			names[account.AllPrivileges] = struct{}{}
		}
	}
	if marked && len(names) == len(all) {
		names[account.AllPrivileges] = struct{}{}
	}
	if oneIn(t, 4, "grant option of "+label) {
		names[account.GrantOption] = struct{}{}
	}
	return names
}

func (w *world) drawGrants(t *rapid.T) account.Grants {
	g := account.Grants{
		Global: privileges(t, "global", w.server.AllGlobal(), !w.server.HasDynamic()), Dynamic: map[string]bool{},
		Schemas: map[string]account.Names{}, Restrictions: map[string]account.Names{}, Tables: map[account.Table]account.TableGrant{},
		Routines: map[account.Routine]account.Names{}, Proxies: map[account.Name]bool{}, Roles: map[account.Name]bool{},
		DefaultRoles: map[account.Name]bool{},
	}
	for _, name := range someOf(t, "dynamic", w.dynamic, 3*min(1, len(w.dynamic))).Sorted() {
		g.Dynamic[name] = rapid.Bool().Draw(t, "dynamic with grant option")
	}
	for _, schema := range someOf(t, "schema", w.schemas, 3).Sorted() {
		if names := privileges(t, "on schema", w.server.AllOnSchema(), true); len(names) > 0 {
			g.Schemas[schema] = names
		}
	}
	w.drawRestrictions(t, g)
	w.drawTables(t, g)
	for _, routine := range w.routines {
		names := someOf(t, "on routine", []string{"EXECUTE", "ALTER ROUTINE", account.GrantOption}, 2)
		if len(names) > 0 && oneIn(t, 2, "routine") {
			g.Routines[routine] = names
		}
	}
	for range rapid.IntRange(0, 2).Draw(t, "proxies") {
		proxied := account.Name{User: rapid.SampledFrom(oddUsers).Draw(t, "proxied"), Host: rapid.SampledFrom(oddHosts).Draw(t, "proxied host")}
		g.Proxies[proxied] = rapid.Bool().Draw(t, "proxy with grant option")
	}
	for _, role := range w.roles {
		if oneIn(t, 3, "role") {
			g.Roles[role] = rapid.Bool().Draw(t, "admin option")
			if rapid.Bool().Draw(t, "default role") && (w.server.HasDynamic() || len(g.DefaultRoles) == 0) {
				g.DefaultRoles[role] = true
			}
		}
	}
	return g
}

// drawRestrictions takes global privileges away in a schema, where the account has none of its own.
func (w *world) drawRestrictions(t *rapid.T, g account.Grants) {
	if !w.server.PartialRevokes() {
		return
	}
	for _, schema := range someOf(t, "restricted schema", w.schemas, 2).Sorted() {
		names := account.Names{}
		for _, name := range g.Global.Sorted() {
			possible := w.server.AllOnSchema().Has(name) || name == account.GrantOption
			if possible && !g.Schemas[schema].Has(name) && oneIn(t, 3, "restricted") {
				names[name] = struct{}{}
			}
		}
		if len(names) > 0 {
			g.Restrictions[schema] = names
		}
	}
}

func (w *world) drawTables(t *rapid.T, g account.Grants) {
	for _, key := range slices.SortedFunc(maps.Keys(w.tables), func(a, b account.Table) int { return len(a.Name) - len(b.Name) }) {
		if !oneIn(t, 2, "table") {
			continue
		}
		grant := account.TableGrant{Privileges: privileges(t, "on table", w.server.AllOnTable(), true), Columns: map[string]account.Names{}}
		for _, privilege := range someOf(t, "column privilege", []string{"SELECT", "INSERT", "UPDATE", "REFERENCES"}, 2).Sorted() {
			if columns := someOf(t, "column", w.tables[key], 3); len(columns) > 0 {
				grant.Columns[privilege] = columns
			}
		}
		if len(grant.Privileges)+len(grant.Columns) > 0 {
			g.Tables[key] = grant
		}
	}
}

func (w *world) drawAttributes(t *rapid.T) account.Attributes {
	number := func(label string) int64 { return rapid.SampledFrom([]int64{0, 0, 0, 1, 77, 1000}).Draw(t, label) }
	setting := func(label string) account.Setting {
		if rapid.Bool().Draw(t, label+" set") {
			return account.Setting{Set: true, Value: number(label)}
		}
		return account.Setting{}
	}
	a := account.Attributes{
		Plugin: w.drawPlugin(t),
		TLS:    w.drawTLS(t),
		Limits: account.Limits{Queries: number("queries"), Updates: number("updates"), Connections: number("connections"), UserConnections: number("user connections")},
	}
	if !w.server.AltersUsers() {
		return a
	}
	a.Locked = oneIn(t, 4, "locked")
	a.Lifetime = setting("lifetime")
	if w.server.Flavour == account.MariaDB {
		a.Limits.StatementMicroseconds = rapid.SampledFrom([]int64{0, 0, 1, 1500000, 60000000}).Draw(t, "statement time")
		if oneIn(t, 6, "no connections") {
			a.Limits.UserConnections = -1
		}
	}
	if w.server.HasDynamic() {
		a.History, a.ReuseDays = setting("history"), setting("reuse")
		a.RequireCurrent = rapid.SampledFrom([]account.Setting{{}, {Set: true}, {Set: true, Value: 1}}).Draw(t, "require current")
		a.FailedLogins = number("failed logins")
		a.LockDays = rapid.SampledFrom([]int64{0, -1, 5}).Draw(t, "lock days")
		a.Attribute = drawAttribute(t)
	}
	return a
}

func (w *world) drawPlugin(t *rapid.T) string {
	if w.server.HasDynamic() {
		return rapid.SampledFrom([]string{"caching_sha2_password", "caching_sha2_password", "sha256_password"}).Draw(t, "plugin")
	}
	return "mysql_native_password"
}

func (w *world) drawTLS(t *rapid.T) account.TLS {
	tls := account.TLS{Type: rapid.SampledFrom([]string{"", "", "ANY", "X509", "SPECIFIED"}).Draw(t, "tls")}
	if tls.Type == "SPECIFIED" {
		texts := append([]string{""}, oddTexts...)
		if w.server.Flavour == account.MySQL { // MariaDB forgets such a subject when it restarts
			texts = append(texts, "/O=😀")
		}
		tls.Cipher = rapid.SampledFrom([]string{"", "", "ECDHE-RSA-AES128-GCM-SHA256"}).Draw(t, "cipher")
		tls.Issuer, tls.Subject = rapid.SampledFrom(texts).Draw(t, "issuer"), rapid.SampledFrom(texts).Draw(t, "subject")
		if tls.Cipher+tls.Issuer+tls.Subject == "" {
			tls.Subject = "/CN=app"
		}
	}
	return tls
}

func drawAttribute(t *rapid.T) string {
	return rapid.SampledFrom([]string{
		"", "", `{"comment":"it's \\ \"quoted\" 😀"}`, `{"a":1,"b":{"c":[1,null,"x"],"d":true}}`, `{"a":2.5}`,
		`{"b":{"c":{},"e":"e"}}`, `{"b":7,"comment":"<&>"}`,
	}).Draw(t, "attribute")
}
