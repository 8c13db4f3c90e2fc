package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"rotor/internal/cli"
	"rotor/internal/rotation"
)

// structs are the declarations whose comments describe what crosses Temporal, and the words that stand there.
type structs struct {
	types map[string]*ast.StructType
	// comments are those of constants, by their values.
	comments map[string]string
	// named are those of constants, by their names.
	named map[string]string
}

// readStructs reads the sources, because a program does not know its comments.
func readStructs(root string) (*structs, error) {
	s := &structs{types: map[string]*ast.StructType{}, comments: map[string]string{}, named: map[string]string{}}
	for _, dir := range []string{"internal/rotation", "internal/fleet", "internal/cli"} {
		paths, err := filepath.Glob(filepath.Join(root, dir, "*.go"))
		if err != nil {
			return nil, err
		}
		for _, path := range paths {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				return nil, err
			}
			for _, decl := range file.Decls {
				if general, ok := decl.(*ast.GenDecl); ok {
					s.take(general, dir)
				}
			}
		}
	}
	return s, nil
}

// crosses are the structs of fleets that somebody may send; others of that package have names that rotations' have, too.
func crosses(name string) bool { return name == "Say" || name == "Speed" }

func (s *structs) take(decl *ast.GenDecl, dir string) {
	for _, spec := range decl.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			if t, ok := spec.Type.(*ast.StructType); ok && (dir == "internal/rotation" || dir == "internal/fleet" && crosses(spec.Name.Name)) {
				s.types[spec.Name.Name] = t
			}
		case *ast.ValueSpec:
			if dir == "internal/fleet" { // has words that rotations have, too
				continue
			}
			comment := spec.Doc.Text()
			if comment == "" && len(decl.Specs) == 1 {
				comment = decl.Doc.Text()
			}
			for i, name := range spec.Names {
				s.named[name.Name] = aboutIt(name.Name, comment)
				if i < len(spec.Values) && decl.Tok == token.CONST {
					if literal, ok := spec.Values[i].(*ast.BasicLit); ok && literal.Kind == token.STRING && comment != "" {
						value, _ := strconv.Unquote(literal.Value) // the compiler has taken it
						s.comments[value] = aboutIt(name.Name, comment)
					}
				}
			}
		}
	}
}

// aboutIt takes the constant's own name off the beginning of its comment: "StateParked: a person has to decide."
func aboutIt(name, comment string) string {
	comment = strings.TrimSpace(comment)
	for _, lead := range []string{name + ": ", name + " says that ", name + " says ", name + " is ", name + " "} {
		if rest, ok := strings.CutPrefix(comment, lead); ok {
			return keywordType.ReplaceAllString(rest, "")
		}
	}
	return comment
}

// keywordType is how a search attribute's comment begins.
var keywordType = regexp.MustCompile(`^\([A-Z][a-z]+\) (is |says that |names )?`)

func (s *structs) constantOf(value string) string { return s.comments[value] }

// fields adds a table of a struct's exported fields, by their JSON names.
func (s *structs) fields(p *page, name string) {
	p.table("field", "type", "meaning")
	previous := ""
	for _, field := range s.types[name].Fields.List {
		for _, ident := range field.Names {
			if !ident.IsExported() {
				continue
			}
			doc := strings.TrimSpace(field.Doc.Text())
			// One comment may speak of the fields below it, by their names.
			if doc == "" && regexp.MustCompile(`\b`+ident.Name+`\b`).MatchString(previous) {
				doc = previous
			} else {
				previous = doc
			}
			p.row(code(ident.Name), typeName(field.Type), doc)
		}
	}
}

// typeName is what JSON makes of a type.
func typeName(t ast.Expr) string {
	switch t := t.(type) {
	case *ast.StarExpr:
		return typeName(t.X)
	case *ast.ArrayType:
		return "list of " + typeName(t.Elt)
	case *ast.SelectorExpr:
		if t.Sel.Name == "Duration" {
			return "nanoseconds"
		}
		return strings.ToLower(t.Sel.Name)
	case *ast.Ident:
		switch t.Name {
		case "string", "Strategy", "Outcome", "Kind", "Step":
			return "text"
		case "bool":
			return "true or false"
		case "int", "int32", "int64":
			return "number"
		}
		return "object: " + t.Name
	}
	return "object"
}

// sections says what each struct of a request or a result is.
var sections = map[string]string{
	"Request":          "What a rotation is asked for.",
	"PasswordPolicy":   "`Password` of a request: what new passwords look like.",
	"Result":           "How a rotation ended. The workflow returns it, or has it in the details of the error that it fails with; so does `--output json`.",
	"FormerCredential": "Of a result: what became of the credential that was current before.",
	"Retired":          "Of that: what was done about it.",
	"Sessions":         "Of that: sessions of the former credential's account, without what they do.",
	"Usage":            "Of that: what was seen of the former credential's use, sample by sample.",
	"Failure":          "Of a result or a status: what went wrong.",
	"Decision":         "Of a result: what a person has decided. The updates `retry`, `rollback` and `abandon` take `{\"Reason\": \"...\"}`.",
}

func (s *structs) requestPage() *page {
	p := newPage("Requests and results", "A request is the input of the workflow `RotateSecret`, what `starter rotate --payload` reads, and what a schedule has. Fields that are not "+
		"known, or of a wrong type, are refused by name. Durations are Go's, like `1h30m`.")
	for _, name := range append(s.within("Request"), s.within("Result")...) {
		if sections[name] == "" {
			p.missing = append(p.missing, name)
		}
		p.printf("\n## %s\n\n%s\n", name, sections[name])
		s.fields(p, name)
	}
	p.printf("\n## Fleets\n\nThe inputs of `RotateFleet` and its parts are made by `starter fleet start` alone, and change without notice: its flags are what can be asked for " +
		"([starter.md](starter.md)). An open fleet takes updates from whoever can send them: `pause`, `resume` and `stop` take `Say`, `speed` takes `Speed`.\n")
	for _, name := range []string{"Say", "Speed"} {
		p.printf("\n### %s\n", name)
		s.fields(p, name)
	}
	return p
}

// within names a struct and those that its fields have, at any depth, each once, in the order of the fields.
func (s *structs) within(name string) (list []string) {
	var walk func(name string)
	walk = func(name string) {
		if s.types[name] == nil || slices.Contains(list, name) {
			return
		}
		list = append(list, name)
		for _, field := range s.types[name].Fields.List {
			ast.Inspect(field.Type, func(n ast.Node) bool {
				if ident, ok := n.(*ast.Ident); ok && slices.ContainsFunc(field.Names, (*ast.Ident).IsExported) {
					walk(ident.Name)
				}
				return true
			})
		}
	}
	walk(name)
	return list
}

func (s *structs) errorsPage() *page {
	p := newPage("Errors, outcomes and words of findings", "What can be met, and what it means.")
	words := func(title, about, column string, list ...string) {
		p.printf("\n## %s\n\n%s\n", title, about)
		p.table(column, "meaning")
		for _, one := range list {
			p.row(code(one), s.constantOf(one))
		}
	}
	words("Outcomes", "RolledBack, Refused and Abandoned fail the workflow, with an error of that type whose details are the result.", "outcome",
		string(rotation.Rotated), string(rotation.RolledBack), string(rotation.Refused), string(rotation.Abandoned))
	words("States", "Of a rotation that is open, and of its steps.", "state", string(rotation.StateRunning), string(rotation.StateWaiting), string(rotation.StateParked),
		string(rotation.StateFollowing), string(rotation.StateEnded))
	words("Kinds of errors", "Every failure of a step has one; it is the type of the error of the activity.", "kind",
		string(rotation.Retryable), string(rotation.Permanent), string(rotation.Conflict))
	p.printf("\n## Exit codes of the starter\n")
	p.table("code", "meaning")
	for _, one := range cli.ExitCodes() {
		p.row(strconv.Itoa(one.Code), s.named[one.Name])
	}
	p.printf("\n## Problems\n\nWords of findings (`Finding` of a failure, `Word` of a check's finding). A rotation is Refused for a problem, before it changes anything.\n")
	findings(p, rotation.ProblemWords())
	p.printf("\n## Warnings\n\nA rotation goes on; somebody should know.\n")
	findings(p, rotation.WarningWords())
	return p
}

func findings(p *page, list []rotation.Word) {
	p.table("word", "what was found", "what to do")
	for _, one := range slices.Clone(list) {
		p.row(code(one.Word), one.Found, one.Do)
	}
}
