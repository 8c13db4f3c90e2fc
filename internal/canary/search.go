// Package canary searches what a rotation leaves behind for passwords: histories, database files, logs. A password that is
// found anywhere but in the secret store and the database is a defect.
package canary

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"rotor/internal/rotation"
)

// Source is something to search.
type Source struct {
	Name string
	// Read gives all of it. It is called once in each search.
	Read func() ([]byte, error)
}

// Text is a source that is in memory.
func Text(name, text string) Source {
	return Source{name, func() ([]byte, error) { return []byte(text), nil }}
}

// Finding is a place where a password was found. It does not hold the password.
type Finding struct {
	// Password is its index in what was searched for.
	Password int
	Source   string
	// Form is how it was written there: plain, json, url, base64, ...
	Form   string
	Offset int
}

func (f Finding) String() string {
	return fmt.Sprintf("password %d in %s, at byte %d, %s", f.Password+1, f.Source, f.Offset, f.Form)
}

// shortest is the length below which a password can't be told from chance.
const shortest = 8

// Search looks for every password in every source, in plain and in the usual encodings, and gives the first place of each
// password in each source. No sources, no passwords and passwords shorter than 8 bytes are errors, because a search that can't
// find anything proves nothing.
func Search(passwords []rotation.Secret, sources ...Source) ([]Finding, error) {
	if len(passwords) == 0 || len(sources) == 0 {
		return nil, errors.New("search for passwords: there is nothing to search for, or nowhere to search")
	}
	var wanted []pattern
	for i, p := range passwords {
		if len(p.Reveal()) < shortest {
			return nil, fmt.Errorf("search for passwords: number %d has fewer than %d bytes", i+1, shortest)
		}
		for form, text := range forms(p.Reveal()) {
			wanted = append(wanted, pattern{i, form, []byte(text)})
		}
	}
	index := newIndex(wanted)
	var found []Finding
	for _, s := range sources {
		data, err := s.Read()
		if err != nil {
			return nil, fmt.Errorf("search %s: %w", s.Name, err)
		}
		for _, f := range index.search(data) {
			f.Source = s.Name
			found = append(found, f)
		}
	}
	return found, nil
}

func rank(form string) int {
	switch {
	case form == "plain":
		return 0
	case strings.HasPrefix(form, "part"):
		return 2
	}
	return 1
}

// forms gives the ways in which a password may be written, without those that are the same as another.
func forms(password string) map[string]string {
	all := map[string]string{
		"url-query":   url.QueryEscape(password),
		"url-path":    url.PathEscape(password),
		"url twice":   url.QueryEscape(url.QueryEscape(password)),
		"json":        inJSON(password, false),
		"json (html)": inJSON(password, true),
		"quoted":      strings.Trim(strconv.QuoteToASCII(password), `"`),
		"sql":         strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(password),
		"sql quotes":  strings.ReplaceAll(password, `'`, `''`),
		"hex":         hex.EncodeToString([]byte(password)),
		"HEX":         strings.ToUpper(hex.EncodeToString([]byte(password))),
	}
	// Base64 of a text with the password in it depends on how many bytes stand before it.
	for shift := range 3 {
		std, urls := inBase64(base64.RawStdEncoding, password, shift), inBase64(base64.RawURLEncoding, password, shift)
		all[fmt.Sprintf("base64, shifted by %d", shift)] = std
		all[fmt.Sprintf("base64url, shifted by %d", shift)] = urls
	}
	// A database file may have a page's end in the midst of it.
	if half := len(password) / 2; half >= shortest {
		all["part 1"], all["part 2"] = password[:half], password[half:]
	}
	seen := map[string]bool{password: true}
	distinct := map[string]string{"plain": password}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if !seen[all[name]] {
			seen[all[name]] = true
			distinct[name] = all[name]
		}
	}
	return distinct
}

func inJSON(s string, html bool) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(html)
	_ = enc.Encode(s) // a string always encodes
	text := strings.TrimSpace(b.String())
	return text[1 : len(text)-1]
}

// inBase64 gives the characters that stand for the password whatever is around it, when shift bytes of a group of three
// stand before it.
func inBase64(e *base64.Encoding, password string, shift int) string {
	text := e.EncodeToString(append(make([]byte, shift), password...))
	begin, end := []int{0, 2, 3}[shift], len(text)
	if (shift+len(password))%3 != 0 {
		end--
	}
	return text[begin:end]
}
