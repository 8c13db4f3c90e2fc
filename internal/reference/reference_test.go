package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"rotor/internal/fleet"
	"rotor/internal/rotation"
	"rotor/internal/telemetry"
)

const root = "../.."

// The pages are what the code says.
func TestPagesAreUpToDate(t *testing.T) {
	made, err := pages(root)
	require.NoError(t, err)
	files, err := filepath.Glob(filepath.Join(root, folder, "*"))
	require.NoError(t, err)
	for _, path := range files {
		require.Contains(t, made, filepath.Base(path), "%s is not made by make reference", path)
	}
	for name, text := range made {
		there, err := os.ReadFile(filepath.Join(root, folder, name))
		require.NoError(t, err, "run make reference")
		require.True(t, text == string(there), "%s/%s is out of date: run make reference", folder, name)
	}
}

// What has no description in the code is an error, not an empty cell.
func TestWhatIsNotDescribed(t *testing.T) {
	silent := &cobra.Command{Use: "silent", Short: "Say nothing"}
	silent.Flags().Bool("loud", false, "")
	require.Equal(t, []string{"`--loud`"}, commandsPage("silent", "", silent).missing)
	s, err := readStructs(root)
	require.NoError(t, err)
	require.Empty(t, s.requestPage().missing)
	delete(s.comments, string(rotation.Conflict))
	require.Equal(t, []string{"`conflict`"}, s.errorsPage().missing)
	require.Equal(t, []string{"`rotor_silent`"}, metricsPage(s, []telemetry.Series{{Name: "rotor_silent", Kind: "gauge"}}).missing)
	s.types["Request"].Fields.List[0].Doc = nil
	s.types["Sessions"].Fields.List[0].Doc = nil
	require.Equal(t, []string{"`SecretName`", "`Open`", "`Hosts`"}, s.requestPage().missing)
	s.types["Retired"].Fields.List[0].Type = ast.NewIdent("Kindful")
	require.Contains(t, s.requestPage().missing, "Kindful", "a struct has a section, and that some words")
}

// Every struct that a request, a result, or what is said to a fleet can have on the wire, at any depth, has a section, and every field a row in it.
func TestFieldsAreThere(t *testing.T) {
	text, met := read(t, "request.md"), map[reflect.Type]bool{}
	var walk func(reflect.Type)
	walk = func(kind reflect.Type) {
		switch kind.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Array:
			walk(kind.Elem())
		case reflect.Map:
			walk(kind.Key())
			walk(kind.Elem())
		case reflect.Struct:
			if !strings.HasPrefix(kind.PkgPath(), "rotor/") || met[kind] {
				return
			}
			met[kind] = true
			_, section, found := strings.Cut(text, "# "+kind.Name()+"\n")
			require.True(t, found, "%s has no section", kind)
			section, _, _ = strings.Cut(section, "\n#")
			for i := range kind.NumField() {
				if field := kind.Field(i); field.IsExported() {
					require.Contains(t, section, "| `"+field.Name+"` |", "%s.%s", kind, field.Name)
					walk(field.Type)
				}
			}
		}
	}
	for _, one := range []any{rotation.Request{}, rotation.Result{}, fleet.Say{}, fleet.Speed{}} {
		walk(reflect.TypeOf(one))
	}
	require.Greater(t, len(met), 10)
}

var (
	variableForm = regexp.MustCompile(`^(ROTOR|TEMPORAL|ALIBABA|AWS|OTEL|SECRETS_MANAGER|MYSQL|XDG)_[A-Z0-9_]*[A-Z0-9]$|^(NO_COLOR|TERM|HTTPS_PROXY|NO_PROXY)$|^(PASSWORD_LENGTH|USERNAME_CHARACTER_LIMIT|REQUIRE_EACH_INCLUDED_TYPE|EXCLUDE_[A-Z]+)$`)
	metricForm   = regexp.MustCompile(`^rotor_[a-z_]+$`)
)

// Every text in the programs that is formed like a variable or a metric has a row: so one that is read or registered past the lists is found.
func TestVariablesAndMetricsAreThere(t *testing.T) {
	variables, metrics := read(t, "environment.md"), read(t, "metrics.md")
	found := map[string]int{}
	texts(t, func(place, text string) {
		switch {
		case variableForm.MatchString(text):
			found["variables"]++
			require.True(t, strings.Contains(variables, "| `"+text+"` |"), "%s: %s is in no list of variables (internal/config)", place, text)
		case metricForm.MatchString(text):
			found["metrics"]++
			require.True(t, strings.Contains(metrics, "| `"+text+"` |"), "%s: %s is in no list of metrics (internal/telemetry)", place, text)
		}
	})
	require.Greater(t, found["variables"], 50)
	require.Greater(t, found["metrics"], 10)
}

// texts calls do for every string of the programs' sources.
func texts(t *testing.T, do func(place, text string)) {
	files := token.NewFileSet()
	for _, dir := range []string{"activities", "workflows", "starter", "worker", "internal"} {
		require.NoError(t, filepath.WalkDir(filepath.Join(root, dir), func(path string, entry fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case entry.IsDir() && entry.Name() == "wiretest": // for tests only
				return filepath.SkipDir
			case !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
				return nil
			}
			file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
					text, err := strconv.Unquote(literal.Value)
					require.NoError(t, err)
					do(files.Position(literal.Pos()).String(), text)
				}
				return true
			})
			return nil
		}))
	}
}

// What Temporal's SDK reads of the environment is known, but for the codec, which is for Temporal's own tools.
func TestVariablesOfTemporal(t *testing.T) {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "go.temporal.io/sdk/contrib/envconfig").Output()
	require.NoError(t, err)
	sources, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), "*.go"))
	require.NoError(t, err)
	variables, found := read(t, "environment.md"), 0
	for _, path := range sources {
		source, err := os.ReadFile(path)
		require.NoError(t, err)
		for _, name := range regexp.MustCompile(`"(TEMPORAL_[A-Z_]+)"`).FindAllStringSubmatch(string(source), -1) {
			if !strings.HasPrefix(name[1], "TEMPORAL_CODEC_") {
				found++
				require.Contains(t, variables, "| `"+strings.Replace(name[1], "_META_", "_META_*", 1)+"` |")
			}
		}
	}
	require.Greater(t, found, 10)
}

// The file that ROTOR_STORES names is told of in docs/stores.md: with every field that is read.
func TestFieldsOfStoresAreThere(t *testing.T) {
	guide, err := os.ReadFile(filepath.Join(root, "docs/stores.md"))
	require.NoError(t, err)
	source, err := os.ReadFile(filepath.Join(root, "internal/config/stores.go"))
	require.NoError(t, err)
	fields := regexp.MustCompile(`"([a-zA-Z]+)":\s+(note|f\.|func\(e yamlfile)`).FindAllStringSubmatch(string(source), -1)
	require.Greater(t, len(fields), 15)
	for _, field := range fields {
		require.Regexp(t, `[`+"`"+`\s]`+field[1]+`[`+"`"+`:]`, string(guide), field[1])
	}
}

// The README leads to the reference.
func TestReadmeLeadsHere(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	require.NoError(t, err)
	require.Contains(t, string(text), "("+folder+"/README.md)")
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, folder, name))
	require.NoError(t, err, "run make reference")
	return string(text)
}
