// Package yamlfile reads YAML files that people write. What is wrong with one is reported all at once, each problem with its place.
// What is wrong by its form is reported without the value, which may be a password in the wrong place.
package yamlfile

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"rotor/internal/spelling"
)

// Problem is one thing that is wrong, and where.
type Problem struct {
	File         string
	Line, Column int
	Text         string
}

func (p Problem) Error() string { return p.Where() + ": " + p.Text }

// Where is file:line:column, as far as it is known.
func (p Problem) Where() string {
	text := p.File
	for _, n := range []int{p.Line, p.Column} {
		if n > 0 {
			text += ":" + strconv.Itoa(n)
		}
	}
	return text
}

// File is a file that is being read.
type File struct {
	Name     string
	problems []Problem
	met      int
	anchors  map[string]ast.Node
}

// Read takes in a file of one document. Its root is nil if there is nothing in it, or no YAML.
func Read(name string, text []byte) (*File, ast.Node) {
	f := &File{Name: name, anchors: map[string]ast.Node{}}
	// A field that is there twice is no reason to report nothing else.
	parsed, err := parser.ParseBytes(text, 0, parser.AllowDuplicateMapKey())
	var wrong yaml.Error
	switch {
	case errors.As(err, &wrong):
		at := wrong.GetToken().Position
		f.problems = append(f.problems, Problem{name, at.Line, at.Column, "no YAML: " + wrong.GetMessage()})
		return f, nil
	case err != nil:
		f.problems = append(f.problems, Problem{name, 1, 1, "no YAML"})
		return f, nil
	case len(parsed.Docs) > 1:
		at := parsed.Docs[1].GetToken().Position
		f.problems = append(f.problems, Problem{name, at.Line, at.Column, "a second document; wanted: one"})
		return f, nil
	case len(parsed.Docs) == 0:
		return f, nil
	}
	return f, parsed.Docs[0].Body
}

// Wrong notes a problem at a node.
func (f *File) Wrong(at ast.Node, format string, args ...any) {
	f.met++
	line, column := Place(at)
	p := Problem{f.Name, line, column, fmt.Sprintf(format, args...)}
	if !slices.Contains(f.problems, p) {
		f.problems = append(f.problems, p)
	}
}

// Met is how often something wrong was met; the same place, read again through an alias, counts again.
func (f *File) Met() int { return f.met }

// Place is the line and column of a node; a mapping's is that of its first field.
func Place(n ast.Node) (line, column int) {
	switch m := n.(type) {
	case *ast.MappingNode:
		if !m.IsFlowStyle && len(m.Values) > 0 {
			n = m.Values[0].Key
		}
	case *ast.MappingValueNode:
		n = m.Key
	}
	at := n.GetToken().Position
	return at.Line, at.Column
}

// Problems are all, in the order of the file.
func (f *File) Problems() []Problem {
	slices.SortStableFunc(f.problems, func(a, b Problem) int { return cmp.Or(a.Line-b.Line, a.Column-b.Column) })
	return f.problems
}

// Err is all problems, one on a line; nil if there are none.
func (f *File) Err() error {
	var all []error
	for _, p := range f.Problems() {
		all = append(all, p)
	}
	return errors.Join(all...)
}

// Entry is one field of a mapping: its name, where that stands, and its value.
type Entry struct {
	Key  string
	At   ast.Node
	Node ast.Node
}

// value is what a node stands for: an anchor's value, or an alias's.
func (f *File) value(n ast.Node) ast.Node {
	switch v := n.(type) {
	case *ast.AnchorNode:
		f.anchors[v.Name.String()] = v.Value
		return f.value(v.Value)
	case *ast.AliasNode:
		if known := f.anchors[v.Value.String()]; known != nil {
			return known
		}
	}
	return n
}

// Entries gives a mapping's fields; what is none is a problem.
func (f *File) Entries(name string, node ast.Node) (list []Entry) {
	var values []*ast.MappingValueNode
	switch n := f.value(node).(type) {
	case nil:
	case *ast.MappingNode:
		values = n.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{n}
	case *ast.NullNode:
	default:
		f.Wrong(node, "%s: wanted: fields with values", name)
	}
	seen := map[string]ast.Node{}
	for _, v := range values {
		key, ok := v.Key.(*ast.StringNode)
		if !ok {
			f.Wrong(v.Key, "%s: the name of a field is no text; wanted: fields with values", name)
			continue
		}
		if first := seen[key.Value]; first != nil {
			line, _ := Place(first)
			f.Wrong(v.Key, "%s: the field is there twice; wanted: one (the other stands in line %d)", key.Value, line)
			continue
		}
		seen[key.Value] = v.Key
		list = append(list, Entry{key.Value, v.Key, f.value(v.Value)})
	}
	return list
}

// Fields hands a mapping's fields to what is known; another one is a problem.
func (f *File) Fields(name string, node ast.Node, known map[string]func(Entry)) {
	for _, e := range f.Entries(name, node) {
		if read, ok := known[e.Key]; ok {
			read(e)
			continue
		}
		f.Wrong(e.At, "%s: unknown field; %s", e.Key, suggestion(e.Key, known))
	}
}

func suggestion(key string, known map[string]func(Entry)) string {
	names := slices.Sorted(maps.Keys(known))
	for _, name := range names {
		if strings.EqualFold(name, key) {
			return "did you mean " + name + "?"
		}
	}
	if near := spelling.Nearest(key, names); near != "" {
		return "did you mean " + near + "?"
	}
	return "known: " + strings.Join(names, ", ")
}

// List gives the items of a sequence; what is none is a problem.
func (f *File) List(e Entry, wanted string) (items []ast.Node) {
	list, ok := e.Node.(*ast.SequenceNode)
	if !ok {
		f.Wrong(e.At, "%s: wanted: %s", e.Key, wanted)
		return nil
	}
	for _, item := range list.Values {
		items = append(items, f.value(item))
	}
	return items
}

// IsMapping says whether a node has fields.
func IsMapping(node ast.Node) bool {
	switch node.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return true
	}
	return false
}

// Absent says that a field has no value.
func (e Entry) Absent() bool {
	_, null := e.Node.(*ast.NullNode)
	return e.Node == nil || null
}

// Text takes a field that is a text.
func (f *File) Text(into *string) func(Entry) {
	return func(e Entry) {
		switch n := e.Node.(type) {
		case *ast.StringNode:
			*into = n.Value
		case *ast.LiteralNode:
			*into = n.Value.Value
		default:
			f.Wrong(e.At, "%s: wanted: a text", e.Key)
		}
	}
}

// Scalar is the text of a value as it was written; "" if it is no single one.
func Scalar(node ast.Node) string {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value
	case ast.ScalarNode:
		return n.GetToken().Value
	}
	return ""
}

// YesNo takes a field that is true or false.
func (f *File) YesNo(into *bool) func(Entry) {
	return func(e Entry) {
		n, ok := e.Node.(*ast.BoolNode)
		if !ok {
			f.Wrong(e.At, "%s: wanted: true or false", e.Key)
			return
		}
		*into = n.Value
	}
}

// Number takes a field that is a whole number from least on.
func (f *File) Number(into *int, least int) func(Entry) {
	return func(e Entry) {
		if v, ok := Whole(e.Node); ok && v >= least {
			*into = v
			return
		}
		f.Wrong(e.At, "%s: wanted: a whole number of at least %d", e.Key, least)
	}
}

// Whole gives the value of a node that is a whole number, not below zero.
func Whole(node ast.Node) (int, bool) {
	if n, ok := node.(*ast.IntegerNode); ok {
		if v, ok := n.Value.(uint64); ok {
			return int(min(v, math.MaxInt32)), true
		}
	}
	return 0, false
}
