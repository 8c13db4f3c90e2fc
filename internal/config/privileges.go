package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// privilegesValue is a setting that lists privileges; "none" is an empty list.
type privilegesValue []string

const noPrivileges = "none"

var privilegeForm = regexp.MustCompile(`^[A-Z]+(?:[_ ][A-Z]+)*$`)

func (v *privilegesValue) String() string {
	if len(*v) == 0 {
		return noPrivileges
	}
	return strings.Join(*v, ",")
}

func (v *privilegesValue) Type() string { return "list" }

func (v *privilegesValue) Set(s string) error {
	found := privilegesValue{}
	for one := range strings.SplitSeq(s, ",") {
		name := strings.ToUpper(strings.Join(strings.Fields(one), " "))
		switch {
		case strings.EqualFold(s, noPrivileges):
		case !privilegeForm.MatchString(name):
			return fmt.Errorf("%q is no privilege", one)
		case !slices.Contains(found, name):
			found = append(found, name)
		}
	}
	*v = found
	return nil
}
