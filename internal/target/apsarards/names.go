package apsarards

import (
	"fmt"
	"regexp"
	"strings"

	"rotor/internal/rotation"
)

// punctuation is what a password may have besides letters and digits.
const punctuation = "!@#$%^&*()_+-="

// passwords is what the API takes (https://www.alibabacloud.com/help/en/rds/developer-reference/api-rds-2014-08-15-createaccount).
var passwords = rotation.PasswordRule{MinLength: 8, MaxLength: 32, Classes: 3, Punctuation: punctuation}

// Engines whose accounts are logins of MySQL.
const (
	engineMySQL   = "MySQL"
	engineMariaDB = "MariaDB"
)

// Account names, as the same page has them. Two may not differ in nothing but case.
const (
	shortestName = 2
	longestOld   = 16 // MySQL 5.5 and 5.6, MariaDB
	longestNew   = 32
)

var (
	anyCaseName   = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9_]*[a-zA-Z0-9]$`)
	lowerCaseName = regexp.MustCompile(`^[a-z][a-z0-9_]*[a-z0-9]$`)
)

// longestName is how many characters an account's name may have on the instance. Of an unknown one the smallest limit holds.
func (i instance) longestName() int {
	if i.engine != engineMySQL || strings.HasPrefix(i.version, "5.5") || strings.HasPrefix(i.version, "5.6") {
		return longestOld
	}
	return longestNew
}

// checkName says why an account of that name can't be created, "" if it can.
func (i instance) checkName(name string) string {
	form := lowerCaseName
	if i.engine == engineMySQL {
		form = anyCaseName
	}
	kind := strings.TrimSpace(i.engine + " " + i.version)
	switch {
	case kind == "" && len(name) > i.longestName():
		return fmt.Sprintf("its name has %d characters, and how many the instance takes is not known; %d are taken by all", len(name), i.longestName())
	case len(name) > i.longestName():
		return fmt.Sprintf("its name has %d characters, and instances of %s take %d", len(name), kind, i.longestName())
	case len(name) < shortestName:
		return fmt.Sprintf("its name has %d characters, and instances take no less than %d", len(name), shortestName)
	case kind == "" && !lowerCaseName.MatchString(name):
		return "not all instances take its name: it must begin with a letter, end with a letter or digit, and have lower-case letters, digits and underscores"
	case !form.MatchString(name):
		return "the instance does not take its name: it must begin with a letter, end with a letter or digit, and have letters " +
			"(lower-case ones on MariaDB), digits and underscores"
	}
	return ""
}
