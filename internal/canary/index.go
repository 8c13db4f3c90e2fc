package canary

import (
	"bytes"
	"maps"
	"slices"
)

// pattern is one way in which a password may be written.
type pattern struct {
	password int
	form     string
	text     []byte
}

// index finds many patterns in one pass: by their first bytes.
type index struct {
	// length is how many bytes are looked at, 8 at most.
	length  int
	mask    uint64
	byStart map[uint64][]pattern
	// maybe has a bit for what spread makes of every start, so that most places cost no look into the map: there can be 100,000 patterns, and
	// processors keep its half a megabyte at hand.
	maybe [1 << (spreadBits - 6)]uint64
}

func newIndex(patterns []pattern) *index {
	x := &index{length: 8, byStart: map[uint64][]pattern{}}
	for _, p := range patterns {
		x.length = min(x.length, len(p.text))
	}
	x.mask = 1<<(8*x.length) - 1
	if x.length == 8 {
		x.mask = ^uint64(0)
	}
	for _, p := range patterns {
		var start uint64
		for _, c := range p.text[:x.length] {
			start = start<<8 | uint64(c)
		}
		x.byStart[start] = append(x.byStart[start], p)
		bit := spread(start)
		x.maybe[bit>>6] |= 1 << (bit & 63)
	}
	return x
}

const spreadBits = 22

// spread makes spreadBits bits of a start.
func spread(start uint64) uint64 { return start * 0x9e3779b97f4a7c15 >> (64 - spreadBits) }

// begins says whether a pattern may begin with these bytes.
func (x *index) begins(start uint64) bool {
	bit := spread(start)
	return x.maybe[bit>>6]>>(bit&63)&1 == 1
}

// search gives the first place of each password, in the plainest of the forms in which it is there.
func (x *index) search(data []byte) []Finding {
	found := map[int]Finding{}
	var window uint64
	for i, c := range data {
		window = (window<<8 | uint64(c)) & x.mask
		at := i + 1 - x.length
		if at < 0 || !x.begins(window) {
			continue
		}
		for _, p := range x.byStart[window] {
			if !bytes.HasPrefix(data[at:], p.text) {
				continue
			}
			if before, known := found[p.password]; !known || plainer(p.form, before.Form) {
				found[p.password] = Finding{Password: p.password, Form: p.form, Offset: at}
			}
		}
	}
	list := make([]Finding, 0, len(found))
	for _, password := range slices.Sorted(maps.Keys(found)) {
		list = append(list, found[password])
	}
	return list
}

func plainer(form, than string) bool {
	if rank(form) != rank(than) {
		return rank(form) < rank(than)
	}
	return form < than
}
