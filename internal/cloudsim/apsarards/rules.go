package apsarards

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"rotor/internal/cloudsim/alibaba"
)

var (
	anyCase   = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9_]*[a-zA-Z0-9]$`)
	lowerCase = regexp.MustCompile(`^[a-z][a-z0-9_]*[a-z0-9]$`)
	// described starts with a letter of any script.
	described = regexp.MustCompile(`^\pL[\pL\pN_-]*$`)
)

// forbidden are names that the service keeps for itself, and words of SQL.
var forbidden = []string{
	"root", "admin", "administrator", "aliyun_root", "aurora", "dbuser", "eagleye", "guest", "master", "mysql",
	"public", "replicator", "sa", "super", "sysadmin", "test_admin", "xtrabak",
	"all", "alter", "create", "delete", "drop", "from", "grant", "insert", "revoke", "select", "table", "update",
	"user", "where",
}

// longest is how many characters an account name may have.
func (i *instance) longest() int {
	switch {
	case i.Engine == "MySQL" && i.Version == "5.6", i.Engine == "MariaDB":
		return 16
	case i.Engine == "SQLServer":
		return 64
	case i.Engine == "PostgreSQL":
		return 63
	default:
		return 32
	}
}

func (i *instance) checkName(name string) *alibaba.Error {
	pattern := lowerCase
	if i.Engine == "MySQL" {
		pattern = anyCase
	}
	if len(name) > i.longest() || !pattern.MatchString(name) {
		return alibaba.NewError(400, "InvalidAccountName.Malformed", "The specified parameter AccountName is not valid.")
	}
	if slices.Contains(forbidden, strings.ToLower(name)) {
		return alibaba.NewError(400, "InvalidAccountName.Forbid", "The specified account name is forbidden.")
	}
	for other := range *i.state.Now() {
		if strings.EqualFold(other, name) {
			return alibaba.NewError(400, "InvalidAccountName.Duplicate", "Specified account name already exists in the Aliyun RDS.")
		}
	}
	return nil
}

// checkPassword: 8 to 32 characters of three classes at least, and no others than theirs.
func checkPassword(password string) *alibaba.Error {
	classes, known := 0, 0
	for _, class := range []string{"abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789", "!@#$%^&*()_+-="} {
		n := 0
		for _, r := range password {
			if strings.ContainsRune(class, r) {
				n++
			}
		}
		known += n
		if n > 0 {
			classes++
		}
	}
	if len(password) < 8 || len(password) > 32 || classes < 3 || known != utf8.RuneCountInString(password) {
		return alibaba.NewError(400, "InvalidAccountPassword.Format", "Specified account password is not valid.")
	}
	return nil
}

func checkDescription(text string) *alibaba.Error {
	if n := utf8.RuneCountInString(text); n > 0 && (n < 2 || n > 256 || !described.MatchString(text)) {
		return alibaba.NewError(400, "InvalidAccountDescription.Format", "Specified account description is not valid.")
	}
	return nil
}
