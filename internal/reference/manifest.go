package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"rotor/internal/manifest"
)

// schema is the part of a JSON Schema that manifests' has.
type schema struct {
	Description string
	Type        string
	Ref         string `json:"$ref"`
	Enum        []string
	Pattern     string
	Items       *schema
	Required    []string
	Properties  map[string]schema
	Defs        map[string]schema `json:"$defs"`
}

// manifestPage is made of the schema, which is made of the fields that are read.
func manifestPage() (*page, error) {
	var root schema
	if err := json.Unmarshal(manifest.Schema(), &root); err != nil {
		return nil, fmt.Errorf("read the schema of manifests: %w", err)
	}
	p := newPage("Manifest", "The fields of `rotations.yaml`. [manifest.md](../manifest.md) tells how they work together; [rotations.schema.json](../rotations.schema.json) is for editors.")
	p.printf("\n## The file\n")
	root.fields(p, root.Defs)
	for _, name := range slices.Sorted(maps.Keys(root.Defs)) {
		p.printf("\n## %s\n\n%s.\n", name, root.Defs[name].Description)
		root.Defs[name].fields(p, root.Defs)
	}
	return p, nil
}

func (s schema) fields(p *page, defs map[string]schema) {
	p.table("field", "value", "must be there", "meaning")
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		one, must := s.Properties[name], ""
		if slices.Contains(s.Required, name) {
			must = "yes"
		}
		doc := one.Description
		if doc == "" {
			doc = defs[strings.TrimPrefix(one.Ref, "#/$defs/")].Description
		}
		p.row(code(name), one.value(), must, doc)
	}
}

// value says what a field takes.
func (s schema) value() string {
	switch {
	case s.Ref != "":
		name := strings.TrimPrefix(s.Ref, "#/$defs/")
		return "[" + name + "](#" + strings.ToLower(name) + ")"
	case len(s.Enum) > 0:
		return strings.Join(s.Enum, ", ")
	case s.Type == "array" && s.Items != nil:
		return "list of " + s.Items.value()
	case s.Type == "boolean":
		return "true or false"
	case s.Type == "integer":
		return "number"
	case s.Type == "object":
		return "names and values"
	}
	return "text"
}
