// Package config reads settings: flags over environment over defaults.
package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// version is stamped by the build.
var version = "dev"

// Version is what the program was built from.
func Version() string { return version }

// Lookup gives an environment variable; os.LookupEnv outside of tests.
type Lookup func(string) (string, bool)

// Setting is one setting: a flag and the variable that stands in for it.
type Setting struct {
	Flag, Env, Usage string
	// Wanted says what would be right, for the error about a wrong value.
	Wanted string
	value  pflag.Value
}

// Settings are bound to flags first, then loaded.
type Settings struct {
	list  []Setting
	flags *pflag.FlagSet
}

// All lists the settings.
func (s *Settings) All() []Setting { return s.list }

func (s *Settings) add(flag, env, usage, wanted string, value pflag.Value) {
	s.list = append(s.list, Setting{Flag: flag, Env: env, Usage: usage, Wanted: wanted, value: value})
}

// Text is a setting of any text, or of one of some words.
func (s *Settings) Text(into *string, flag, env, def, usage string, words ...string) {
	*into = def
	wanted := "a text"
	if len(words) > 0 {
		wanted = strings.Join(words, " or ")
	}
	s.add(flag, env, usage, wanted, &textValue{into, words})
}

// Bool is a setting that is on or off.
func (s *Settings) Bool(into *bool, flag, env, usage string) {
	s.add(flag, env, usage, "1, true, 0 or false", (*boolValue)(into))
}

// Duration is a setting of a time span of at least min.
func (s *Settings) Duration(into *time.Duration, flag, env string, def, min time.Duration, usage string) {
	*into = def
	s.add(flag, env, usage, "a duration of at least "+min.String()+", like "+def.String(), &durationValue{into, min})
}

// Number is a setting of a whole number of at least min.
func (s *Settings) Number(into *int, flag, env string, def, min int, usage string) {
	*into = def
	s.add(flag, env, usage, "a whole number of at least "+strconv.Itoa(min), &numberValue{into, min})
}

// Annotations of a flag that a variable stands in for: the variable's name, and what would be right.
const (
	AnnotationVariable = "variable"
	AnnotationWanted   = "wanted"
)

// Bind makes the flags.
func (s *Settings) Bind(flags *pflag.FlagSet) {
	s.flags = flags
	for _, one := range s.list {
		f := flags.VarPF(one.value, one.Flag, "", one.Usage+" ("+one.Env+")")
		f.Annotations = map[string][]string{AnnotationVariable: {one.Env}, AnnotationWanted: {one.Wanted}}
		if _, isBool := one.value.(*boolValue); isBool {
			f.NoOptDefVal = "true"
		}
	}
}

// Load takes from the environment what no flag has set. An error names the variable and what would be right.
func (s *Settings) Load(lookup Lookup) error {
	for _, one := range s.list {
		if s.flags != nil && s.flags.Changed(one.Flag) {
			continue
		}
		text, set := lookup(one.Env)
		if !set || text == "" {
			continue
		}
		if err := one.value.Set(text); err != nil {
			return fmt.Errorf("%s: %w; wanted: %s", one.Env, err, one.Wanted)
		}
	}
	return nil
}

type textValue struct {
	into  *string
	words []string
}

func (v *textValue) String() string { return *v.into }
func (v *textValue) Type() string   { return "string" }
func (v *textValue) Set(s string) error {
	if len(v.words) > 0 {
		for _, w := range v.words {
			if s == w {
				*v.into = s
				return nil
			}
		}
		return fmt.Errorf("%q is unknown; known: %s", s, strings.Join(v.words, ", "))
	}
	*v.into = s
	return nil
}

type boolValue bool

func (v *boolValue) String() string { return strconv.FormatBool(bool(*v)) }
func (v *boolValue) Type() string   { return "bool" }
func (v *boolValue) Set(s string) error {
	switch s = strings.ToLower(s); s {
	case "yes", "y":
		s = "true"
	case "no", "n":
		s = "false"
	}
	b, err := strconv.ParseBool(s)
	if err != nil {
		return fmt.Errorf("%q is neither true nor false", s)
	}
	*v = boolValue(b)
	return nil
}

type durationValue struct {
	into *time.Duration
	min  time.Duration
}

func (v *durationValue) String() string { return v.into.String() }
func (v *durationValue) Type() string   { return "duration" }
func (v *durationValue) Set(s string) error {
	d, err := time.ParseDuration(s)
	if err != nil {
		return fmt.Errorf("%q is no duration", s)
	}
	if d < v.min {
		return fmt.Errorf("%s is shorter than %s", d, v.min)
	}
	*v.into = d
	return nil
}

type numberValue struct {
	into *int
	min  int
}

func (v *numberValue) String() string { return strconv.Itoa(*v.into) }
func (v *numberValue) Type() string   { return "int" }
func (v *numberValue) Set(s string) error {
	n, err := strconv.Atoi(s)
	if err != nil {
		return fmt.Errorf("%q is no whole number", s)
	}
	if n < v.min {
		return fmt.Errorf("%d is less than %d", n, v.min)
	}
	*v.into = n
	return nil
}
