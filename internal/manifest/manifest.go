// Package manifest reads rotations.yaml: which secrets are rotated, how and when. It reports all that is wrong at once, each
// problem with its place, and publishes what it takes as a JSON Schema.
package manifest

import (
	"cmp"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"rotor/internal/recurrence"
	"rotor/internal/rotation"
	"rotor/internal/yamlfile"
)

// Manifest is what one or more files say together.
type Manifest struct {
	// Files were read; Names are the names that they give themselves, "" for those without.
	Files, Names []string
	Rotations    []Rotation
	// Warnings are what is allowed, and hardly meant.
	Warnings []yamlfile.Problem
}

// Rotation is one entry: one secret.
type Rotation struct {
	// Manifest is the name of the manifest that it stands in.
	Manifest     string
	File         string
	Line, Column int
	// Request is valid.
	Request rotation.Request
	Rule    recurrence.Rule
	// Network is the task queue of the workers, "" for the command's.
	Network, Owner string
	Labels         map[string]string
	Paused         bool
}

// Options are what the files don't say.
type Options struct {
	Bounds recurrence.Bounds
	// Providers are those of named stores, as far as they are known here.
	Providers map[string]string
	Stdin     io.Reader
}

// maxFile is far more than ten thousand entries need.
const maxFile = 32 << 20

// Read reads files, folders (their *.yaml and *.yml) and "-", the standard input. With problems, there is no manifest.
func Read(paths []string, o Options) (*Manifest, []yamlfile.Problem) {
	r := &reading{Options: o, first: map[string]place{}, known: map[string]bool{}}
	for _, path := range paths {
		r.path(path)
	}
	if len(r.problems) > 0 {
		return nil, r.problems
	}
	r.manifest.Names = slices.Compact(slices.Sorted(slices.Values(r.manifest.Names)))
	return &r.manifest, nil
}

type reading struct {
	Options
	manifest Manifest
	problems []yamlfile.Problem
	// first is where a secret has its entry; known are the files that were read.
	first map[string]place
	known map[string]bool
}

type place struct {
	file *yamlfile.File
	node ast.Node
}

func (r *reading) wrong(file, text string) {
	r.problems = append(r.problems, yamlfile.Problem{File: file, Text: text})
}

func (r *reading) path(path string) {
	if path == "-" {
		if !r.known[path] {
			r.read("stdin", r.Stdin)
		}
		r.known[path] = true
		return
	}
	info, err := os.Stat(path)
	if err != nil {
		r.wrong(path, "it can't be read; wanted: a YAML file, a folder of such, or - for the standard input")
		return
	}
	files := []string{path}
	if info.IsDir() {
		if files, err = inFolder(path); err != nil {
			r.wrong(path, "the folder can't be read")
			return
		}
		if len(files) == 0 {
			r.wrong(path, "there is no *.yaml or *.yml in the folder")
		}
	}
	for _, file := range files {
		if r.known[filepath.Clean(file)] {
			continue
		}
		r.known[filepath.Clean(file)] = true
		in, err := os.Open(file)
		if err != nil {
			r.wrong(file, "it can't be read; wanted: a YAML file")
			continue
		}
		r.read(file, in)
		_ = in.Close()
	}
}

// inFolder are the *.yaml and *.yml of a folder, by name, and not those of folders within.
func inFolder(path string) (files []string, err error) {
	entries, err := os.ReadDir(path)
	for _, e := range entries {
		if ending := filepath.Ext(e.Name()); !e.IsDir() && (ending == ".yaml" || ending == ".yml") {
			files = append(files, filepath.Join(path, e.Name()))
		}
	}
	return files, err
}

func (r *reading) read(name string, in io.Reader) {
	text, err := io.ReadAll(io.LimitReader(in, maxFile+1))
	switch {
	case err != nil:
		r.wrong(name, "it can't be read; wanted: a YAML file")
		return
	case len(text) > maxFile:
		r.wrong(name, "it is longer than 32 MiB; that is no manifest")
		return
	}
	f, root := yamlfile.Read(name, text)
	r.manifest.Files = append(r.manifest.Files, name)
	r.document(f, root)
	r.problems = append(r.problems, f.Problems()...)
}

// document reads defaults and entries, whichever stand first.
func (r *reading) document(f *yamlfile.File, root ast.Node) {
	var name string
	defaults := newDraft()
	var entries *yamlfile.Entry
	f.Fields("the manifest", root, map[string]func(yamlfile.Entry){
		"name": func(e yamlfile.Entry) {
			f.Text(&name)(e)
			if name != "" && !nameForm.MatchString(name) {
				f.Wrong(e.At, "name: no manifest's name; wanted: letters, digits and ._/-, 63 at most")
			}
		},
		"defaults": func(e yamlfile.Entry) {
			readFields(defaults, f, e.Key, e.Node, "", rotationFields())
		},
		"rotations": func(e yamlfile.Entry) { entries = &e },
	})
	r.manifest.Names = append(r.manifest.Names, name)
	switch {
	case entries != nil:
	case root == nil:
		if len(f.Problems()) == 0 {
			r.wrong(f.Name, "there is nothing in it; wanted: rotations, one entry for each secret")
		}
		return
	case yamlfile.IsMapping(root):
		f.Wrong(root, "rotations: missing; wanted: one entry for each secret")
		return
	default:
		return
	}
	for _, item := range f.List(*entries, "a list with one entry for each secret") {
		d := defaults.copy()
		d.at["secret"] = place{f, item}
		readFields(d, f, "an entry", item, "", append(rotationFields(), secretField))
		if !yamlfile.IsMapping(item) {
			continue
		}
		if one, ok := r.check(d, f, item); ok {
			one.Manifest = name
			r.manifest.Rotations = append(r.manifest.Rotations, one)
		}
	}
}

// check looks at an entry as a whole.
func (r *reading) check(d *draft, f *yamlfile.File, item ast.Node) (Rotation, bool) {
	line, column := yamlfile.Place(item)
	one := Rotation{File: f.Name, Line: line, Column: column, Rule: d.rule, Network: d.network, Owner: d.owner, Labels: d.labels, Paused: d.paused}
	var wrong []*rotation.Error
	one.Request, wrong = d.request.Check()
	named := true
	for _, problem := range wrong {
		named = named && !slices.Contains([]string{"SecretName", "RegionId", "Store"}, problem.Field)
		d.wrong(fieldOf(problem.Field), requestWords.Replace(withoutValue(problem, d.request)))
	}
	provider := cmp.Or(r.Providers[one.Request.Store], one.Request.Store)
	switch _, there := d.at["schedule"]; {
	case !there:
		d.wrong("schedule", "missing; wanted: one like {every: 30d}")
	default:
		unread := func(field string) bool { return d.unread["schedule."+field] }
		for _, problem := range one.Rule.PartProblems(r.Bounds, provider, unread) {
			d.wrong(strings.TrimSuffix("schedule."+problem.Field, "."), problem.Text)
		}
	}
	if d.network != "" && !queueForm.MatchString(d.network) {
		d.wrong("network", "no task queue's name; wanted: letters, digits and ._/-, 100 at most")
	}
	if d.owner != "" && !ownerForm.MatchString(d.owner) {
		d.wrong("owner", "wanted: a name or an address, of letters, digits, blanks and ._@+/#-, 100 at most")
	}
	if named {
		r.once(d, &one)
	}
	if len(wrong) > 0 {
		return one, false
	}
	if shortest, _ := one.Rule.Gaps(); one.Request.Strategy != rotation.SingleUser && shortest > 0 && shortest <= one.Request.GraceTime() {
		at := d.place("schedule.every")
		line, column := yamlfile.Place(at.node)
		r.manifest.Warnings = append(r.manifest.Warnings, yamlfile.Problem{File: at.file.Name, Line: line, Column: column,
			Text: "schedule.every: with two accounts that take turns, every rotation would be refused: it is not longer than the grace time of " +
				recurrence.IntervalText(one.Request.GraceTime()) + "; shorten that (grace)"})
	}
	return one, true
}

// once sees that a secret has one entry, in all the files.
func (r *reading) once(d *draft, one *Rotation) {
	at := d.place("secret")
	if first, found := r.first[one.Request.WorkflowID()]; found {
		line, _ := yamlfile.Place(first.node)
		d.wrong("secret", one.Request.Name()+" of "+one.Request.Store+" in "+one.Request.RegionId+" has an entry already, at "+
			yamlfile.Problem{File: first.file.Name, Line: line}.Where()+"; wanted: one entry for each secret")
		return
	}
	r.first[one.Request.WorkflowID()] = at
}
