package config

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"rotor/internal/rotation"
	"rotor/internal/wire"
)

// SettingStores is the setting that names the file of Stores.
const SettingStores = "ROTOR_STORES"

// Stores is what the worker's configuration file defines beside the stores that every worker has.
type Stores struct {
	// Named are further stores, by the name that requests give them.
	Named map[string]NamedStore
	// Secrets are patterns STORE/REGION/NAME of the secrets that the worker may work on, with * for any characters; none: all.
	Secrets []string
}

// NamedStore is a store in an account of its own, say.
type NamedStore struct {
	// Provider is rotation.StoreAlibabaKMS or rotation.StoreAWS.
	Provider string
	// Profile is one of the provider's configuration files. RoleARN is a role to take on, ExternalID what its trust policy wants.
	Profile, RoleARN, ExternalID string
	// Endpoint is a URL, Network one of Alibaba Cloud's ("vpc", "public").
	Endpoint, Network string
	// Region is the only one that the store serves, "" if it serves all.
	Region string
	// Passwords is what a request's policy leaves open; UsernameLimit how many characters an account's name may have, 0 for what the
	// server takes.
	Passwords     rotation.PasswordPolicy
	UsernameLimit int
}

// Forms of values; those of roles are what tells one cloud's from the other's.
var (
	storeForm  = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	regionForm = storeForm
	roleForms  = map[string]*regexp.Regexp{
		rotation.StoreAWS:        regexp.MustCompile(`^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]+$`),
		rotation.StoreAlibabaKMS: regexp.MustCompile(`^acs:ram::[0-9]+:role/[A-Za-z0-9.-]+$`),
	}
	roleExamples = map[string]string{
		rotation.StoreAWS:        "arn:aws:iam::123456789012:role/rotor",
		rotation.StoreAlibabaKMS: "acs:ram::1234567890123456:role/rotor",
	}
	secretPattern = regexp.MustCompile(`^[a-z0-9*-]+/[a-z0-9*-]+/[A-Za-z0-9_/+=.@*-]+$`)
)

// Stores reads the file that ROTOR_STORES names. What is left open of passwords and names in it is as in the settings. An error has
// all problems, each with file and line.
func (w *Worker) Stores() (Stores, error) {
	if w.StoresFile == "" {
		return Stores{}, nil
	}
	f, root, err := openYAML(w.StoresFile)
	if err != nil {
		return Stores{}, err
	}
	s := Stores{Named: map[string]NamedStore{}}
	var patterns []ast.Node
	f.fields(SettingStores, root, map[string]func(entry){
		"stores": func(e entry) {
			for _, one := range f.entries(e.key, e.node) {
				s.Named[one.key] = w.readStore(f, one)
			}
		},
		"secrets": func(e entry) {
			list, ok := e.node.(*ast.SequenceNode)
			if !ok || len(list.Values) == 0 {
				f.wrong(e.at, "secrets: wanted: a list of patterns STORE/REGION/NAME; without the field, all secrets are allowed")
				return
			}
			patterns = list.Values
		},
	})
	for _, node := range patterns {
		s.Secrets = append(s.Secrets, s.readPattern(f, node))
	}
	return s, f.err()
}

func (s Stores) readPattern(f *yamlFile, node ast.Node) (pattern string) {
	f.text(&pattern)(entry{"secrets", node, node})
	if pattern == "" {
		return ""
	}
	store, _, _ := strings.Cut(pattern, "/")
	_, named := s.Named[store]
	switch {
	case !secretPattern.MatchString(pattern):
		f.wrong(node, "secrets: %q is no pattern; wanted: STORE/REGION/NAME, with * for any characters", pattern)
	case !named && !slices.Contains(providers(), store) && !strings.Contains(store, "*"):
		known := append(slices.Sorted(maps.Keys(s.Named)), providers()...)
		f.wrong(node, "secrets: there is no store %s; known: %s", store, strings.Join(known, ", "))
	}
	return pattern
}

func providers() []string { return slices.Sorted(maps.Keys(roleForms)) }

func (w *Worker) readStore(f *yamlFile, e entry) NamedStore {
	s := NamedStore{Passwords: w.PasswordPolicy(), UsernameLimit: w.UsernameLimit}
	at := map[string]ast.Node{}
	note := func(read func(entry)) func(entry) {
		return func(field entry) {
			at[field.key] = field.at
			read(field)
		}
	}
	f.fields(e.key, e.node, map[string]func(entry){
		"provider": note(f.text(&s.Provider)), "profile": note(f.text(&s.Profile)), "roleARN": note(f.text(&s.RoleARN)),
		"externalID": note(f.text(&s.ExternalID)), "endpoint": note(f.text(&s.Endpoint)), "network": note(f.text(&s.Network)),
		"region": note(f.text(&s.Region)), "usernameCharacterLimit": f.number(&s.UsernameLimit, 1),
		"passwords": note(func(field entry) { readPasswords(f, field, &s.Passwords) }),
	})
	wrong := func(field, format string, args ...any) {
		node := at[field]
		if node == nil {
			node = e.at
		}
		f.wrong(node, "store %s, %s: "+format, append([]any{e.key, field}, args...)...)
	}
	if !storeForm.MatchString(e.key) {
		f.wrong(e.at, "store %q: no name of a store; wanted: lower-case letters, digits and dashes", e.key)
	}
	if slices.Contains(providers(), e.key) {
		f.wrong(e.at, "store %s: every worker has it already, as the environment says; take another name", e.key)
	}
	if roleForms[s.Provider] == nil {
		wrong("provider", "wanted: %s", strings.Join(providers(), " or "))
		return s
	}
	s.check(w, wrong)
	return s
}

// check sees that the fields fit the provider and each other.
func (s NamedStore) check(w *Worker, wrong func(field, format string, args ...any)) {
	if s.RoleARN != "" && !roleForms[s.Provider].MatchString(s.RoleARN) {
		wrong("roleARN", "no role of this provider; wanted: one like %s", roleExamples[s.Provider])
	}
	if s.ExternalID != "" && s.RoleARN == "" {
		wrong("externalID", "it goes with a roleARN only")
	}
	if s.Endpoint != "" {
		if _, err := wire.ParseEndpoint("endpoint", s.Endpoint, w.AllowHTTP); err != nil {
			wrong("endpoint", "%s", strings.TrimPrefix(err.Error(), "endpoint: "))
		}
	}
	switch {
	case s.Network == "":
	case s.Provider == rotation.StoreAWS:
		wrong("network", "it is for %s only; a VPC endpoint of AWS needs nothing, or its URL as endpoint", rotation.StoreAlibabaKMS)
	case s.Network != "vpc" && s.Network != "public":
		wrong("network", "wanted: vpc or public")
	}
	if s.Region != "" && !regionForm.MatchString(s.Region) {
		wrong("region", "no region; wanted: one like eu-central-1")
	}
	if err := s.Passwords.Check(); err != nil {
		wrong("passwords", "%s", err)
	}
}

// readPasswords reads a policy over the one that is there. Its fields have the names that the templates of AWS give them.
func readPasswords(f *yamlFile, e entry, p *rotation.PasswordPolicy) {
	each := !p.AnyTypes
	f.fields(e.key, e.node, map[string]func(entry){
		"length": f.number(&p.Length, rotation.MinPasswordLength), "punctuation": f.text(&p.Punctuation), "source": f.text(&p.Source),
		"excludeCharacters": f.text(&p.ExcludeCharacters), "excludeLowercase": f.yesNo(&p.ExcludeLowercase),
		"excludeUppercase": f.yesNo(&p.ExcludeUppercase), "excludeNumbers": f.yesNo(&p.ExcludeNumbers),
		"excludePunctuation": f.yesNo(&p.ExcludePunctuation), "requireEachIncludedType": f.yesNo(&each),
	})
	p.AnyTypes = !each
}

// Allowed says which secrets the patterns allow; nil if all.
func (s Stores) Allowed() func(store, region, secret string) bool {
	if len(s.Secrets) == 0 {
		return nil
	}
	forms := make([]*regexp.Regexp, 0, len(s.Secrets))
	for _, p := range s.Secrets {
		forms = append(forms, regexp.MustCompile("^"+strings.ReplaceAll(regexp.QuoteMeta(p), `\*`, ".*")+"$"))
	}
	return func(store, region, secret string) bool {
		return slices.ContainsFunc(forms, func(f *regexp.Regexp) bool { return f.MatchString(store + "/" + region + "/" + secret) })
	}
}
