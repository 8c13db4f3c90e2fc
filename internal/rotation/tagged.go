package rotation

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// TaggedWorkflowType is the name of the workflow that lists the secrets that bear tags.
const TaggedWorkflowType = "ListTagged"

// TaggedRequest asks for secrets that bear all of the tags, from a place in the list on.
type TaggedRequest struct {
	Store, Region string
	Tags          Tags
	// After is the Next of the answer before, "" for the first.
	After string `json:",omitempty"`
}

// Tagged is a part of a list of secrets; no value of theirs is read.
type Tagged struct {
	Secrets []string `json:",omitempty"`
	// Next is where the list goes on, "" at its end.
	Next string `json:",omitempty"`
	// Problem says why there is no list.
	Problem *Failure `json:",omitempty"`
}

// Tags are keys and values that secrets bear in their store.
type Tags map[string]string

// What both clouds take, and what can be sent as a filter.
var (
	tagKeyForm   = regexp.MustCompile(`^[A-Za-z0-9 _.:/=+@-]{1,128}$`)
	tagValueForm = regexp.MustCompile(`^[A-Za-z0-9 _.:/=+@-]{0,256}$`)
)

// mostTags is half of the filters that Secrets Manager takes: a tag is a key and a value.
const mostTags = 5

// ParseTags reads tags as they are typed: team=orders.
func ParseTags(words []string) (Tags, error) {
	tags := Tags{}
	for _, word := range words {
		key, value, whole := strings.Cut(word, "=")
		switch _, twice := tags[key]; {
		case !whole || !tagKeyForm.MatchString(key) || !tagValueForm.MatchString(value):
			return nil, fmt.Errorf("%q is no tag: wanted: KEY=VALUE, like team=orders, of letters, digits, spaces and _.:/=+@-", word)
		case twice:
			return nil, fmt.Errorf("tag %s is given twice; a secret that bears all of them can't have both values", key)
		}
		tags[key] = value
	}
	if len(tags) > mostTags {
		return nil, fmt.Errorf("%d tags; wanted: %d at most", len(tags), mostTags)
	}
	return tags, nil
}

// String has them as they are typed, by key.
func (t Tags) String() string {
	var words []string
	for _, key := range slices.Sorted(maps.Keys(t)) {
		words = append(words, key+"="+t[key])
	}
	return strings.Join(words, ", ")
}
