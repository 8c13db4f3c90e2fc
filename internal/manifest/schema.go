package manifest

import (
	"bytes"
	"encoding/json"

	"rotor/internal/recurrence"
	"rotor/internal/rotation"
)

// Schema is the JSON Schema of a manifest, for editors. It is made of the fields that are read.
func Schema() []byte {
	entry := objectOf("one secret that is rotated", append([]field{secretField}, rotationFields()...))
	entry["required"] = []string{"secret"}
	schedule := objectOf("when the secret is rotated: every or calendar", scheduleFields())
	schedule["oneOf"] = []any{map[string]any{"required": []string{"every"}}, map[string]any{"required": []string{"calendar"}}}
	calendar := objectOf("days and a time of day", calendarFields())
	calendar["required"] = []string{"at"}
	window := objectOf("maintenance window", windowFields())
	window["required"] = []string{"from", "to"}
	name := form(nameForm.String())
	name["description"] = "name of the manifest; apply --prune deletes only what a manifest of the same name made"
	root := map[string]any{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Rotations", "type": "object", "additionalProperties": false,
		"description": "Secrets that are rotated, how and when.", "required": []string{"rotations"},
		"properties": map[string]any{
			"name":      name,
			"defaults":  map[string]any{"$ref": "#/$defs/defaults"},
			"rotations": map[string]any{"type": "array", "items": map[string]any{"$ref": "#/$defs/rotation"}, "description": "one entry for each secret"},
		},
		"$defs": map[string]any{
			"defaults": objectOf("what entries have that don't say otherwise; schedule and password are taken over as a whole", rotationFields()),
			"rotation": entry, "schedule": schedule, "calendar": calendar, "window": window, "password": passwordSchema(),
		},
	}
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(root); err != nil {
		panic(err) // maps of texts and numbers
	}
	return text.Bytes()
}

func objectOf(doc string, fields []field) map[string]any {
	properties := map[string]any{}
	for _, one := range fields {
		schema := map[string]any{"description": one.doc}
		for key, value := range one.schema {
			schema[key] = value
		}
		properties[one.name] = schema
	}
	return map[string]any{"type": "object", "additionalProperties": false, "description": doc, "properties": properties}
}

func text() map[string]any { return map[string]any{"type": "string", "minLength": 1} }

func form(pattern string) map[string]any { return map[string]any{"type": "string", "pattern": pattern} }

func words(list ...string) map[string]any { return map[string]any{"type": "string", "enum": list} }

func object(name string) map[string]any { return map[string]any{"$ref": "#/$defs/" + name} }

const spanForm = `^([0-9]{1,5}d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?$`

func span() map[string]any { return form(spanForm) }

func clock() map[string]any { return form(`^([01]?[0-9]|2[0-3]):[0-5][0-9]$`) }

func numbers(most int) map[string]any {
	return map[string]any{"type": "array", "items": map[string]any{"type": "integer", "minimum": 1, "maximum": most}}
}

func weekdays() map[string]any {
	return map[string]any{"type": "array", "items": words(recurrence.Weekdays...)}
}

func labelSchema() map[string]any {
	return map[string]any{"type": "object", "propertyNames": map[string]any{"pattern": labelForm.String()}, "additionalProperties": form(labelForm.String())}
}

// passwordSchema has the names that the configuration of stores has, too.
func passwordSchema() map[string]any {
	properties := map[string]any{
		"length": map[string]any{"type": "integer", "minimum": rotation.MinPasswordLength, "maximum": rotation.MaxPasswordLength, "description": "in characters (default 32)"},
		"source": map[string]any{"type": "string", "enum": []string{rotation.PasswordSourceStore}, "description": "let the store make passwords"},
	}
	for name, doc := range map[string]string{"punctuation": "punctuation that may be used (default -_)", "excludeCharacters": "characters that are left out"} {
		properties[name] = map[string]any{"type": "string", "description": doc}
	}
	for name, doc := range map[string]string{
		"excludeLowercase": "no lower-case letters", "excludeUppercase": "no upper-case letters", "excludeNumbers": "no digits",
		"excludePunctuation": "no punctuation", "requireEachIncludedType": "every kind of character that is allowed is in it (default true)",
	} {
		properties[name] = map[string]any{"type": "boolean", "description": doc}
	}
	return map[string]any{"type": "object", "additionalProperties": false, "description": "what new passwords look like", "properties": properties}
}
