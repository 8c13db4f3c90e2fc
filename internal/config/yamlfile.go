package config

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// yamlFile is a configuration file that is being read. All that is wrong with it is reported at once, each problem with its line.
type yamlFile struct {
	path     string
	problems []error
}

// openYAML reads a file of one document, whose root is nil if there is nothing in it.
func openYAML(path string) (*yamlFile, ast.Node, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, errors.New("ROTOR_STORES: " + path + " can't be read; wanted: a YAML file")
	}
	parsed, err := parser.ParseBytes(text, 0)
	var wrong yaml.Error
	switch {
	case errors.As(err, &wrong):
		return nil, nil, fmt.Errorf("%s:%d: no YAML: %s", path, wrong.GetToken().Position.Line, wrong.GetMessage())
	case err != nil:
		return nil, nil, errors.New(path + ": no YAML")
	case len(parsed.Docs) > 1:
		return nil, nil, fmt.Errorf("%s:%d: a second document; wanted: one", path, parsed.Docs[1].GetToken().Position.Line)
	}
	f := &yamlFile{path: path}
	if len(parsed.Docs) == 0 {
		return f, nil, nil
	}
	return f, parsed.Docs[0].Body, nil
}

// wrong notes a problem at a node.
func (f *yamlFile) wrong(at ast.Node, format string, args ...any) {
	f.problems = append(f.problems, fmt.Errorf("%s:%d: %s", f.path, at.GetToken().Position.Line, fmt.Sprintf(format, args...)))
}

// err is all problems, one on a line.
func (f *yamlFile) err() error { return errors.Join(f.problems...) }

// entry is one field of a mapping.
type entry struct {
	key  string
	at   ast.Node
	node ast.Node
}

// entries gives a mapping's fields; what is none is a problem.
func (f *yamlFile) entries(name string, node ast.Node) (list []entry) {
	var values []*ast.MappingValueNode
	switch n := node.(type) {
	case nil:
	case *ast.MappingNode:
		values = n.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{n}
	case *ast.NullNode:
	default:
		f.wrong(node, "%s: wanted: fields with values", name)
	}
	for _, v := range values {
		key, ok := v.Key.(*ast.StringNode)
		if !ok {
			f.wrong(v, "%s: the name of a field is no text", name)
			continue
		}
		list = append(list, entry{key.Value, v.Key, v.Value})
	}
	return list
}

// fields hands a mapping's fields to what is known; another one is a problem.
func (f *yamlFile) fields(name string, node ast.Node, known map[string]func(entry)) {
	for _, e := range f.entries(name, node) {
		if read, ok := known[e.key]; ok {
			read(e)
			continue
		}
		f.wrong(e.at, "%s: unknown field; known: %s", e.key, strings.Join(slices.Sorted(maps.Keys(known)), ", "))
	}
}

// text takes a field that is a text.
func (f *yamlFile) text(into *string) func(entry) {
	return func(e entry) {
		switch n := e.node.(type) {
		case *ast.StringNode:
			*into = n.Value
		case *ast.LiteralNode:
			*into = n.Value.Value
		default:
			f.wrong(e.at, "%s: wanted: a text", e.key)
		}
	}
}

// yesNo takes a field that is true or false.
func (f *yamlFile) yesNo(into *bool) func(entry) {
	return func(e entry) {
		n, ok := e.node.(*ast.BoolNode)
		if !ok {
			f.wrong(e.at, "%s: wanted: true or false", e.key)
			return
		}
		*into = n.Value
	}
}

// number takes a field that is a whole number from least on.
func (f *yamlFile) number(into *int, least int) func(entry) {
	return func(e entry) {
		if n, ok := e.node.(*ast.IntegerNode); ok {
			if v, ok := n.Value.(uint64); ok && v >= uint64(least) {
				*into = int(min(v, math.MaxInt32))
				return
			}
		}
		f.wrong(e.at, "%s: wanted: a whole number of at least %d", e.key, least)
	}
}
