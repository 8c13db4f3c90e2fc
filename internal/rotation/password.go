package rotation

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	lowercase = "abcdefghijklmnopqrstuvwxyz"
	uppercase = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits    = "0123456789"
	// safePunctuation breaks neither shells nor URLs nor connection strings, and every supported target takes it.
	safePunctuation = "-_"
	// allPunctuation is ASCII's, as the stores' own generators use it.
	allPunctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
)

// Password lengths.
const (
	DefaultPasswordLength = 32
	MinPasswordLength     = 8
	MaxPasswordLength     = 128
)

// PasswordSourceStore lets the store's own generator make passwords (GetRandomPassword).
const PasswordSourceStore = "store"

// DefaultExcludeCharacters is what the rotation functions of both clouds leave out of what the store generates, where the target takes all.
const DefaultExcludeCharacters = `/@"'\`

// PasswordPolicy says what new passwords look like. Its fields are those of the rotation functions of both clouds.
type PasswordPolicy struct {
	// Length in characters; absent: 32, or the longest that the target takes.
	Length int `json:",omitempty"`
	// Punctuation that may be used; absent: "-_" (with Source "store": all of ASCII's).
	Punctuation string `json:",omitempty"`
	// ExcludeCharacters are characters that are left out.
	ExcludeCharacters string `json:",omitempty"`
	// ExcludeLowercase leaves lower-case letters out.
	ExcludeLowercase bool `json:",omitempty"`
	// ExcludeUppercase leaves upper-case letters out.
	ExcludeUppercase bool `json:",omitempty"`
	// ExcludeNumbers leaves digits out.
	ExcludeNumbers bool `json:",omitempty"`
	// ExcludePunctuation leaves all punctuation out.
	ExcludePunctuation bool `json:",omitempty"`
	// AnyTypes: not every kind of character that is allowed has to be in it.
	AnyTypes bool `json:",omitempty"`
	// Source is "store" for the store's own generator; absent: the worker's.
	Source string `json:",omitempty"`
}

// fields by JSON name.
func (p *PasswordPolicy) fields() map[string]any {
	return map[string]any{
		"Length": &p.Length, "Punctuation": &p.Punctuation, "ExcludeCharacters": &p.ExcludeCharacters, "ExcludeLowercase": &p.ExcludeLowercase,
		"ExcludeUppercase": &p.ExcludeUppercase, "ExcludeNumbers": &p.ExcludeNumbers, "ExcludePunctuation": &p.ExcludePunctuation,
		"AnyTypes": &p.AnyTypes, "Source": &p.Source,
	}
}

// problems are what can be known to be wrong before the target is looked at.
func (p PasswordPolicy) problems() (found []*Error) {
	if p.Length != 0 && (p.Length < MinPasswordLength || p.Length > MaxPasswordLength) {
		found = append(found, FieldError("Password.Length", "%d is out of range: %d to %d", p.Length, MinPasswordLength, MaxPasswordLength))
	}
	if drop(p.Punctuation, allPunctuation) != "" {
		found = append(found, FieldError("Password.Punctuation", "only ASCII punctuation is possible"))
	}
	if p.Source != "" && p.Source != PasswordSourceStore {
		found = append(found, FieldError("Password.Source", "%q is unknown; known: %s", printable(p.Source), PasswordSourceStore))
	}
	return found
}

// Check reports what can be known to be wrong before a target is looked at, in one permanent error.
func (p PasswordPolicy) Check() error {
	if found := p.problems(); len(found) > 0 {
		return joinProblems(found)
	}
	return nil
}

// Over gives the policy with what it leaves open taken from another one.
func (p PasswordPolicy) Over(q PasswordPolicy) PasswordPolicy {
	if p.Length == 0 {
		p.Length = q.Length
	}
	if p.Punctuation == "" {
		p.Punctuation = q.Punctuation
	}
	if p.ExcludeCharacters == "" {
		p.ExcludeCharacters = q.ExcludeCharacters
	}
	if p.Source == "" {
		p.Source = q.Source
	}
	p.ExcludeLowercase = p.ExcludeLowercase || q.ExcludeLowercase
	p.ExcludeUppercase = p.ExcludeUppercase || q.ExcludeUppercase
	p.ExcludeNumbers = p.ExcludeNumbers || q.ExcludeNumbers
	p.ExcludePunctuation = p.ExcludePunctuation || q.ExcludePunctuation
	p.AnyTypes = p.AnyTypes || q.AnyTypes
	return p
}

// PasswordRule is what a target takes. Zero values demand nothing.
type PasswordRule struct {
	MinLength, MaxLength int
	// Lower, Upper, Digits and Special are how many of each have to be there.
	Lower, Upper, Digits, Special int
	// Classes is how many of the four kinds have to be there.
	Classes int
	// Punctuation is what is allowed; "" allows all.
	Punctuation string
}

// Takes says whether a password satisfies the rule.
func (r PasswordRule) Takes(password Secret) bool {
	p := password.Reveal()
	classes, special := 0, p
	for _, kind := range []struct {
		characters string
		wanted     int
	}{{lowercase, r.Lower}, {uppercase, r.Upper}, {digits, r.Digits}} {
		n := len(keep(p, kind.characters))
		if n < kind.wanted {
			return false
		}
		if n > 0 {
			classes++
		}
		special = drop(special, kind.characters)
	}
	if special != "" {
		classes++
	}
	if r.Punctuation != "" && drop(special, r.Punctuation) != "" {
		return false
	}
	n := utf8.RuneCountInString(p)
	return n >= r.MinLength && (r.MaxLength == 0 || n <= r.MaxLength) && utf8.RuneCountInString(special) >= r.Special && classes >= r.Classes
}

// PasswordRecipe is a policy brought together with a target's rule: what New makes a password by.
type PasswordRecipe struct {
	Length int
	// Lower, Upper, Digits and Special are the characters to choose from, with how many there must be at least.
	Lower, Upper, Digits, Special Kindful
	Source                        string `json:",omitempty"`
}

// Kindful is one kind of character in a recipe.
type Kindful struct {
	Characters string `json:",omitempty"`
	Least      int    `json:",omitempty"`
}

// Fit brings the policy together with what the target takes. A policy that can't satisfy the target is a permanent error.
func (p PasswordPolicy) Fit(rule PasswordRule) (PasswordRecipe, error) {
	punctuation := p.Punctuation
	switch {
	case p.ExcludePunctuation:
		punctuation = ""
	case punctuation == "" && p.Source == PasswordSourceStore:
		punctuation = allPunctuation
		// The recipe for ApsaraDB RDS leaves out what its API does not take, and nothing more.
		if p.ExcludeCharacters == "" && rule.Punctuation == "" {
			p.ExcludeCharacters = DefaultExcludeCharacters
		}
	case punctuation == "":
		punctuation = safePunctuation
	}
	if rule.Punctuation != "" {
		punctuation = keep(punctuation, rule.Punctuation)
	}
	r := PasswordRecipe{Length: p.Length, Source: p.Source}
	if r.Length == 0 {
		r.Length = max(DefaultPasswordLength, rule.MinLength)
		if rule.MaxLength > 0 {
			r.Length = min(r.Length, rule.MaxLength)
		}
	}
	if r.Length < max(rule.MinLength, MinPasswordLength) || rule.MaxLength > 0 && r.Length > rule.MaxLength {
		return r, FieldError("Password.Length", "%d does not fit the target, which takes %d to %s characters", r.Length, max(rule.MinLength, MinPasswordLength), upTo(rule.MaxLength))
	}
	present, least := 0, 0
	for _, kind := range []struct {
		into       *Kindful
		characters string
		excluded   bool
		wanted     int
		name       string
	}{
		{&r.Lower, lowercase, p.ExcludeLowercase, rule.Lower, "lower-case letters"}, {&r.Upper, uppercase, p.ExcludeUppercase, rule.Upper, "upper-case letters"},
		{&r.Digits, digits, p.ExcludeNumbers, rule.Digits, "digits"}, {&r.Special, punctuation, false, rule.Special, "punctuation"},
	} {
		if !kind.excluded {
			kind.into.Characters = drop(kind.characters, p.ExcludeCharacters)
		}
		kind.into.Least = kind.wanted
		if kind.into.Characters == "" {
			if kind.wanted > 0 {
				return r, FieldError("Password", "the target wants %d %s in a password, and the policy allows none that it takes", kind.wanted, kind.name)
			}
			continue
		}
		present++
		// A rule that asks for some number of kinds is satisfied by all of them.
		if (!p.AnyTypes || rule.Classes > 0) && kind.into.Least == 0 {
			kind.into.Least = 1
		}
		least += kind.into.Least
	}
	switch {
	case present == 0:
		return r, FieldError("Password", "the policy leaves no characters to make a password of")
	case present < rule.Classes:
		return r, FieldError("Password", "the target wants %d kinds of characters in a password, and the policy allows %d", rule.Classes, present)
	case least > r.Length:
		return r, FieldError("Password.Length", "%d is too short for the %d characters that are wanted of certain kinds", r.Length, least)
	}
	return r, nil
}

func upTo(n int) string {
	if n == 0 {
		return "any number of"
	}
	return fmt.Sprint(n)
}

// keep gives the characters of s that are in of; drop those that are not.
func keep(s, of string) string { return filter(s, of, true) }
func drop(s, of string) string { return filter(s, of, false) }

func filter(s, of string, in bool) string {
	return strings.Map(func(c rune) rune {
		if strings.ContainsRune(of, c) == in {
			return c
		}
		return -1
	}, s)
}

func (r PasswordRecipe) kinds() []Kindful { return []Kindful{r.Lower, r.Upper, r.Digits, r.Special} }

// Excluded is every printable ASCII character that the recipe does not allow, for a store's generator.
func (r PasswordRecipe) Excluded() string {
	allowed := ""
	for _, k := range r.kinds() {
		allowed += k.Characters
	}
	return drop(lowercase+uppercase+digits+allPunctuation, allowed)
}

// Fits says whether a password is one that the recipe could have made.
func (r PasswordRecipe) Fits(password Secret) bool {
	p := password.Reveal()
	counted := 0
	for _, k := range r.kinds() {
		n := len(keep(p, k.Characters))
		if n < k.Least {
			return false
		}
		counted += n
	}
	return len(p) == r.Length && counted == len(p)
}

// Generate makes a password from a source of random bytes (crypto/rand.Reader outside of tests). It begins with a letter where
// letters are allowed: a leading dash looks like an option to a shell.
func (r PasswordRecipe) Generate(random io.Reader) (Secret, error) {
	var letters, all string
	var chosen []byte
	letters = r.Lower.Characters + r.Upper.Characters
	for _, k := range r.kinds() {
		all += k.Characters
		for range k.Least {
			c, err := pick(random, k.Characters)
			if err != nil {
				return Secret{}, err
			}
			chosen = append(chosen, c)
		}
	}
	for len(chosen) < r.Length {
		c, err := pick(random, all)
		if err != nil {
			return Secret{}, err
		}
		chosen = append(chosen, c)
	}
	if err := shuffle(random, chosen); err != nil {
		return Secret{}, err
	}
	if i := slices.IndexFunc(chosen, func(c byte) bool { return strings.IndexByte(letters, c) >= 0 }); i > 0 {
		chosen[0], chosen[i] = chosen[i], chosen[0]
	}
	return NewSecret(string(chosen)), nil
}

func shuffle(random io.Reader, b []byte) error {
	for i := len(b) - 1; i > 0; i-- {
		j, err := below(random, i+1)
		if err != nil {
			return err
		}
		b[i], b[j] = b[j], b[i]
	}
	return nil
}

func pick(random io.Reader, alphabet string) (byte, error) {
	i, err := below(random, len(alphabet))
	if err != nil {
		return 0, err
	}
	return alphabet[i], nil
}

// below draws a number from 0 to n-1 (n at most 256) without bias: bytes beyond the largest multiple of n are drawn again.
func below(random io.Reader, n int) (int, error) {
	limit := 256 - 256%n
	for {
		var b [1]byte
		if _, err := io.ReadFull(random, b[:]); err != nil {
			return 0, Errorf(Retryable, "this machine gives no random bytes").WithCode("entropy")
		}
		if int(b[0]) < limit {
			return int(b[0]) % n, nil
		}
	}
}
