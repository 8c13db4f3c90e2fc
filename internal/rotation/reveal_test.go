package rotation_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// revealing are the files, and the folder, that may turn a Secret into a string, and what for. Who adds one says here which driver or SDK needs it.
var revealing = map[string]string{
	"internal/target/mysql/connection.go":                  "the driver's configuration",
	"internal/target/mysql/account/statement.go":           "a statement that can't be prepared",
	"internal/alibabacloud/caller.go":                      "a parameter of the cloud's API",
	"internal/alibabacloud/exchange.go":                    "the same, on its way past the SDK",
	"internal/secretstore/awssecretsmanager/writing.go":    "a parameter of the cloud's API",
	"internal/secretstore/awssecretsmanager/connection.go": "a comparison, so that a code in an answer that repeats the value is not reported",
	"internal/cli/logins.go":                               "the driver's configuration, in the demo",
	seeds:                                                  "accounts and documents of the demo and the tests",
	"internal/rotation/document.go":                        "documents are taken apart and put together here",
	"internal/rotation/password.go":                        "passwords are measured against a policy here",
	"internal/canary/search.go":                            "what is searched for",
	"internal/rotation/retire.go":                          "the password of a retired account is made here",
	"internal/model/port.go":                               "a world in memory",
	"internal/trial/picture.go":                            "the driver's configuration, in the tests",
	"internal/trial/stranger.go":                           "accounts and documents of somebody else, in the tests",
	"internal/model/twopasswords.go":                       "a world in memory",
	"internal/live/clouds.go":                              "documents of the throwaway secrets of make test-live",
	"internal/live/trial.go":                               "the driver's configuration, in make test-live",
}

// inMemory are those of them that take values apart and hand them to nobody. Elsewhere a revealed value goes straight into the call.
var inMemory = []string{"internal/rotation/password.go", "internal/rotation/retire.go", "internal/model/port.go", "internal/model/twopasswords.go",
	"internal/live/clouds.go"}

// writes are packages that make texts of values.
var writes = []string{"fmt", "errors", "log", "slog", "rotation"}

// The statements for the demo's and tests' own server are made with fmt.
const seeds = "internal/devstack/"

func TestSecretsAreRevealedOnlyWhereTheyAreNeeded(t *testing.T) {
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	found := map[string]bool{}
	require.NoError(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		switch {
		case entry.IsDir() && (name == "tools" || strings.HasPrefix(entry.Name(), ".") && name != "."):
			return filepath.SkipDir
		case entry.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		file := filepath.ToSlash(name)
		files := token.NewFileSet()
		parsed, err := parser.ParseFile(files, path, nil, 0)
		if err != nil {
			return err
		}
		for _, use := range reveals(files, parsed) {
			found[place(file)] = true
			require.Empty(t, objection(file, use), "%s:%d", file, use.line)
		}
		return nil
	}))
	for file := range revealing {
		require.True(t, found[file], "%s reveals nothing; take it off the list", file)
	}
}

// use is one place where Reveal is named.
type use struct {
	line int
	// how says what is done with the value: "argument of pkg.Func", "field", "variable", ...
	how string
}

// place is what stands in the list for a file.
func place(file string) string {
	if strings.HasPrefix(file, seeds) {
		return seeds
	}
	return file
}

func objection(file string, u use) string {
	callee, isArgument := strings.CutPrefix(u.how, "argument of ")
	pkg, _, _ := strings.Cut(callee, ".")
	switch {
	case revealing[place(file)] == "":
		return "this file must not reveal secrets"
	case slices.Contains(inMemory, file):
		return ""
	case isArgument && slices.Contains(writes, pkg) && place(file) != seeds:
		return "a secret becomes part of a text: " + u.how
	case !isArgument && u.how != "field":
		return "a revealed secret is kept in a " + u.how + "; reveal it in the argument of the call that needs it"
	}
	return ""
}

// reveals lists the places where a method Reveal is called or named.
func reveals(files *token.FileSet, file *ast.File) (uses []use) {
	var parents []ast.Node
	ast.Inspect(file, func(n ast.Node) bool {
		if n == nil {
			parents = parents[:len(parents)-1]
			return true
		}
		if s, ok := n.(*ast.SelectorExpr); ok && s.Sel.Name == "Reveal" {
			uses = append(uses, use{files.Position(n.Pos()).Line, purpose(s, parents)})
		}
		parents = append(parents, n)
		return true
	})
	return uses
}

// purpose says what is done with a selector's value, from the nodes around it, the innermost last.
func purpose(n ast.Expr, parents []ast.Node) string {
	call, ok := parents[len(parents)-1].(*ast.CallExpr)
	if !ok || call.Fun != n {
		return "method value"
	}
	inner := ast.Node(call)
	for _, parent := range slices.Backward(parents[:len(parents)-1]) {
		switch p := parent.(type) {
		case *ast.ParenExpr, *ast.BinaryExpr:
			inner = parent
			continue
		case *ast.CallExpr:
			return "argument of " + callee(p)
		case *ast.KeyValueExpr:
			return "field"
		case *ast.AssignStmt:
			at := slices.IndexFunc(p.Rhs, func(e ast.Expr) bool { return ast.Node(e) == inner })
			switch p.Lhs[at].(type) {
			case *ast.SelectorExpr, *ast.IndexExpr:
				return "field"
			}
			return "variable"
		case *ast.ReturnStmt:
			return "result"
		}
		return fmt.Sprintf("%T", parent)
	}
	return "nowhere"
}

func callee(c *ast.CallExpr) string {
	switch f := c.Fun.(type) {
	case *ast.SelectorExpr:
		if x, ok := f.X.(*ast.Ident); ok {
			return x.Name + "." + f.Sel.Name
		}
		return "." + f.Sel.Name
	case *ast.Ident:
		return f.Name
	}
	return "a function"
}

// A rule that objects to nothing shows nothing.
func TestWhatTheRuleObjectsTo(t *testing.T) {
	const allowed = "internal/target/mysql/connection.go"
	for name, test := range map[string]struct {
		file, code, says string
	}{
		"argument of a driver's call": {allowed, `driver.Open(p.Reveal())`, ""},
		"field of a configuration":    {allowed, `config.User, config.Passwd = user, login.Password.Reveal()`, ""},
		"key of a configuration":      {allowed, `use(driver.Config{Passwd: p.Reveal()})`, ""},
		"another file":                {"activities/set.go", `driver.Open(p.Reveal())`, "must not reveal"},
		"kept in a variable":          {allowed, `x := p.Reveal()`, "kept in a variable"},
		"joined, then kept":           {allowed, `x = "a" + p.Reveal()`, "kept in a variable"},
		"returned":                    {allowed, `return p.Reveal()`, "kept in a result"},
		"formatted":                   {allowed, `fmt.Sprintf("%s", p.Reveal())`, "part of a text"},
		"joined and formatted":        {allowed, `fmt.Print("p=" + p.Reveal())`, "part of a text"},
		"in an error":                 {allowed, `rotation.Errorf(k, "%s", p.Reveal())`, "part of a text"},
		"logged":                      {allowed, `slog.Info("x", "p", p.Reveal())`, "part of a text"},
		"handed on as a method":       {allowed, `use(p.Reveal)`, "method value"},
	} {
		t.Run(name, func(t *testing.T) {
			files := token.NewFileSet()
			parsed, err := parser.ParseFile(files, "x.go", "package x\nfunc f() string {\n"+test.code+"\n}", 0)
			require.NoError(t, err)
			uses := reveals(files, parsed)
			require.Len(t, uses, 1)
			if test.says == "" {
				require.Empty(t, objection(test.file, uses[0]))
				return
			}
			require.Contains(t, objection(test.file, uses[0]), test.says)
		})
	}
}
