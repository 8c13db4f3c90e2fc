package apsarards

import (
	"slices"
	"strings"
)

// Privileges that the API grants on a database; Custom is what it shows for any other set, and refuses to grant.
const (
	ReadWrite = "ReadWrite"
	ReadOnly  = "ReadOnly"
	DDLOnly   = "DDLOnly"
	DMLOnly   = "DMLOnly"
	Custom    = "Custom"
)

// onDatabase is what each of them is on the database, onServer what comes with it on *.*, as the documentation of
// account permissions of ApsaraDB RDS for MySQL lists them.
var (
	onDatabase = map[string][]string{
		ReadWrite: {"SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "REFERENCES", "INDEX", "ALTER",
			"CREATE TEMPORARY TABLES", "LOCK TABLES", "CREATE VIEW", "SHOW VIEW", "CREATE ROUTINE", "ALTER ROUTINE",
			"EXECUTE", "EVENT", "TRIGGER"},
		ReadOnly: {"SELECT", "SHOW VIEW"},
		DDLOnly: {"CREATE", "DROP", "INDEX", "ALTER", "CREATE TEMPORARY TABLES", "LOCK TABLES", "CREATE VIEW",
			"SHOW VIEW", "CREATE ROUTINE", "ALTER ROUTINE"},
		DMLOnly: {"SELECT", "INSERT", "UPDATE", "DELETE", "CREATE TEMPORARY TABLES", "LOCK TABLES", "SHOW VIEW",
			"EXECUTE", "EVENT", "TRIGGER"},
	}
	onServer = map[string][]string{
		ReadWrite: {"PROCESS", "REPLICATION SLAVE", "REPLICATION CLIENT"},
		ReadOnly:  {"REPLICATION SLAVE", "REPLICATION CLIENT"},
		DDLOnly:   {"PROCESS", "REPLICATION SLAVE", "REPLICATION CLIENT"},
		DMLOnly:   {"PROCESS", "REPLICATION SLAVE", "REPLICATION CLIENT"},
	}
	// super is what the privileged account holds on *.*, and may pass on.
	super = []string{"ALTER", "ALTER ROUTINE", "CREATE", "CREATE VIEW", "CREATE ROUTINE", "CREATE USER",
		"CREATE TEMPORARY TABLES", "DELETE", "DROP", "EVENT", "EXECUTE", "INDEX", "INSERT", "LOCK TABLES", "PROCESS",
		"RELOAD", "REFERENCES", "REPLICATION SLAVE", "REPLICATION CLIENT", "SELECT", "SHOW VIEW", "TRIGGER", "UPDATE",
		"GRANT OPTION"}
)

// nameOf is the API's name for a set of privileges on a database.
func nameOf(privileges []string) string {
	for _, name := range []string{ReadWrite, ReadOnly, DDLOnly, DMLOnly} {
		if slices.Equal(sorted(privileges), sorted(onDatabase[name])) {
			return name
		}
	}
	return Custom
}

func sorted(privileges []string) []string {
	upper := make([]string, len(privileges))
	for i, p := range privileges {
		upper[i] = strings.ToUpper(p)
	}
	slices.Sort(upper)
	return slices.Compact(upper)
}
