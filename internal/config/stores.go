package config

import (
	"errors"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"rotor/internal/rotation"
	"rotor/internal/wire"
	"rotor/internal/yamlfile"
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
	// WritesPerSecond is how many writes the store's account takes in one region; 0: no bound.
	WritesPerSecond int
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
	secretPattern = regexp.MustCompile(`^[a-z0-9*-]+/[a-z0-9*-]+/[A-Za-z0-9_/+=.@!*-]+$`) // AWS's own secrets have a "!"
)

// Stores reads the file that ROTOR_STORES names. What is left open of passwords and names in it is as in the settings. An error has
// all problems, each with file and line.
func (w *Worker) Stores() (Stores, error) {
	if w.StoresFile == "" {
		return Stores{}, nil
	}
	text, err := os.ReadFile(w.StoresFile)
	if err != nil {
		return Stores{}, errors.New(SettingStores + ": " + w.StoresFile + " can't be read; wanted: a YAML file")
	}
	f, root := yamlfile.Read(w.StoresFile, text)
	s := Stores{Named: map[string]NamedStore{}}
	var patterns []ast.Node
	f.Fields(SettingStores, root, map[string]func(yamlfile.Entry){
		"stores": func(e yamlfile.Entry) {
			for _, one := range f.Entries(e.Key, e.Node) {
				s.Named[one.Key] = w.readStore(f, one)
			}
		},
		"secrets": func(e yamlfile.Entry) {
			list, ok := e.Node.(*ast.SequenceNode)
			if !ok || len(list.Values) == 0 {
				f.Wrong(e.At, "secrets: wanted: a list of patterns STORE/REGION/NAME; without the field, all secrets are allowed")
				return
			}
			patterns = list.Values
		},
	})
	for _, node := range patterns {
		s.Secrets = append(s.Secrets, s.readPattern(f, node))
	}
	return s, f.Err()
}

func (s Stores) readPattern(f *yamlfile.File, node ast.Node) (pattern string) {
	f.Text(&pattern)(yamlfile.Entry{Key: "secrets", At: node, Node: node})
	if pattern == "" {
		return ""
	}
	store, _, _ := strings.Cut(pattern, "/")
	_, named := s.Named[store]
	switch {
	case !secretPattern.MatchString(pattern):
		f.Wrong(node, "secrets: %q is no pattern; wanted: STORE/REGION/NAME, with * for any characters", pattern)
	case !named && !slices.Contains(providers(), store) && !strings.Contains(store, "*"):
		known := append(slices.Sorted(maps.Keys(s.Named)), providers()...)
		f.Wrong(node, "secrets: there is no store %s; known: %s", store, strings.Join(known, ", "))
	}
	return pattern
}

func providers() []string { return slices.Sorted(maps.Keys(roleForms)) }

func (w *Worker) readStore(f *yamlfile.File, e yamlfile.Entry) NamedStore {
	s := NamedStore{Passwords: w.PasswordPolicy(), UsernameLimit: w.UsernameLimit}
	at := map[string]ast.Node{}
	note := func(read func(yamlfile.Entry)) func(yamlfile.Entry) {
		return func(field yamlfile.Entry) {
			at[field.Key] = field.At
			read(field)
		}
	}
	f.Fields(e.Key, e.Node, map[string]func(yamlfile.Entry){
		"provider": note(f.Text(&s.Provider)), "profile": note(f.Text(&s.Profile)), "roleARN": note(f.Text(&s.RoleARN)),
		"externalID": note(f.Text(&s.ExternalID)), "endpoint": note(f.Text(&s.Endpoint)), "network": note(f.Text(&s.Network)),
		"region": note(f.Text(&s.Region)), "usernameCharacterLimit": f.Number(&s.UsernameLimit, 1),
		"writesPerSecond": note(f.Number(&s.WritesPerSecond, 0)),
		"passwords":       note(func(field yamlfile.Entry) { ReadPasswords(f, field, &s.Passwords) }),
	})
	wrong := func(field, format string, args ...any) {
		node := at[field]
		if node == nil {
			node = e.At
		}
		f.Wrong(node, "store %s, %s: "+format, append([]any{e.Key, field}, args...)...)
	}
	if !storeForm.MatchString(e.Key) {
		f.Wrong(e.At, "store %q: no name of a store; wanted: lower-case letters, digits and dashes", e.Key)
	}
	if slices.Contains(providers(), e.Key) {
		f.Wrong(e.At, "store %s: every worker has it already, as the environment says; take another name", e.Key)
	}
	if roleForms[s.Provider] == nil {
		wrong("provider", "wanted: %s", strings.Join(providers(), " or "))
		return s
	}
	if at["writesPerSecond"] == nil {
		s.WritesPerSecond, _ = w.WritesPerSecond(s.Provider)
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

// ReadPasswords reads a policy over the one that is there. Its fields have the names that the templates of AWS give them.
func ReadPasswords(f *yamlfile.File, e yamlfile.Entry, p *rotation.PasswordPolicy) {
	each := !p.AnyTypes
	f.Fields(e.Key, e.Node, map[string]func(yamlfile.Entry){
		"length": f.Number(&p.Length, rotation.MinPasswordLength), "punctuation": f.Text(&p.Punctuation), "source": f.Text(&p.Source),
		"excludeCharacters": f.Text(&p.ExcludeCharacters), "excludeLowercase": f.YesNo(&p.ExcludeLowercase),
		"excludeUppercase": f.YesNo(&p.ExcludeUppercase), "excludeNumbers": f.YesNo(&p.ExcludeNumbers),
		"excludePunctuation": f.YesNo(&p.ExcludePunctuation), "requireEachIncludedType": f.YesNo(&each),
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
