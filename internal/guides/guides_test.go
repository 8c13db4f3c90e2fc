package guides_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rotor/internal/devstack/temporal"
)

// patience is far more than anything here takes on a busy machine.
const patience = 3 * time.Minute

const standInVariable = "ROTOR_GUIDES_AWS"

var (
	realAWS = flag.Bool("aws", false, "use AWS's own command line, which has to be installed, in place of the stand-in")
	// bin holds the programs, by the names that the guides call them.
	bin string
)

func TestMain(m *testing.M) {
	if os.Getenv(standInVariable) != "" {
		if err := standIn(os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	flag.Parse()
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	if bin, err = os.MkdirTemp("", "rotor-guides-*"); err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(bin)) }()
	// As a release builds them: they don't know where their sources are.
	for name, folder := range map[string]string{"rotor": "starter", "rotor-worker": "worker"} {
		build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", filepath.Join(bin, name), "../../"+folder)
		build.Env, build.Stderr = append(os.Environ(), "CGO_ENABLED=0"), os.Stderr
		if err := build.Run(); err != nil {
			return 1, err
		}
	}
	// The guides tell their reader to have it.
	path, err := temporal.Binary(context.Background(), os.Stderr)
	if err != nil {
		return 1, err
	}
	if err := os.Symlink(path, filepath.Join(bin, "temporal")); err != nil {
		return 1, err
	}
	if !*realAWS {
		self, err := os.Executable()
		if err != nil {
			return 1, err
		}
		script := "#!/bin/sh\n" + standInVariable + "=1 exec '" + self + "' \"$@\"\n"
		if err := os.WriteFile(filepath.Join(bin, "aws"), []byte(script), 0o700); err != nil {
			return 1, err
		}
	}
	return m.Run(), nil
}

// Somebody who follows a guide on the simulated cloud gets through it: every command succeeds, the secret is rotated by the worker that
// the guide starts, gets its schedule, and loses it again on the way back.
func TestGuides(t *testing.T) {
	for _, one := range []struct{ guide, way, secret string }{
		{"moving-from-function-compute.md", "self-managed", "orders"},
		{"moving-from-function-compute.md", "apsara-rds", "shop"},
		{"moving-from-lambda.md", "", "reports"},
	} {
		t.Run(strings.Trim(strings.TrimSuffix(one.guide, ".md")+" "+one.way, " "), func(t *testing.T) {
			g := newReader(t)
			schedules := 0
			for _, step := range way(t, one.guide, one.way) {
				switch step.kind {
				case kindDev:
					g.beside(step.text)
					g.awaitFile("rotor.env")
				case kindWorker:
					g.beside(step.text)
					g.awaitLine("rotor worker started")
				default:
					said := g.types(step.text)
					if strings.Contains(step.text, "rotor rotate") {
						require.Contains(t, said, "Rotated: version ", said)
						require.Contains(t, said, "proof: logged in as")
					}
					if strings.Contains(step.text, "|| true") {
						require.Contains(t, said, "other-rotator", "what the guide says that check says")
					}
					switch {
					case !strings.Contains(step.text, "rotor schedule"):
					case strings.Contains(step.text, "--delete"): // the way back
						g.awaitScheduled()
						schedules++
					default:
						g.awaitScheduled(one.secret)
						schedules++
					}
				}
			}
			require.Equal(t, 2, schedules, "there and back")
			var last struct{ Outcome string }
			require.NoError(t, json.Unmarshal([]byte(g.types(`rotor describe "$SECRET" --region "$REGION" --output json`+storeFlag(one.guide))), &last))
			require.Equal(t, "Rotated", last.Outcome)
		})
	}
}

// Who has an archive's programs and no Temporal CLI is told what the guides say that it takes.
func TestDevTakesTheTemporalCLI(t *testing.T) {
	dir, alone := t.TempDir(), t.TempDir()
	require.NoError(t, os.Symlink(filepath.Join(bin, "rotor"), filepath.Join(alone, "rotor")))
	dev := exec.Command(filepath.Join(alone, "rotor"), "dev")
	dev.Dir, dev.Env = dir, []string{"PATH=" + alone, "HOME=" + dir, "ROTOR_CACHE=" + filepath.Join(dir, "cache"), "TMPDIR=" + dir}
	if value, set := os.LookupEnv("ROTOR_MYSQLD"); set {
		dev.Env = append(dev.Env, "ROTOR_MYSQLD="+value)
	}
	said, err := dev.CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(said), "put a temporal of "+temporal.PinnedVersion+" or newer on PATH")
	for _, guide := range []string{"moving-from-function-compute.md", "moving-from-lambda.md"} {
		text, err := os.ReadFile(filepath.Join("../../docs", guide))
		require.NoError(t, err)
		require.Contains(t, string(text), "`temporal` on `PATH`, "+temporal.PinnedVersion+" or newer")
	}
}

func storeFlag(guide string) string {
	if strings.Contains(guide, "lambda") {
		return " --store aws-secrets-manager"
	}
	return ""
}

// reader is somebody with a shell, who types what a guide says.
type reader struct {
	t   *testing.T
	dir string
	env []string
	// logs are of what runs beside.
	mu   sync.Mutex
	logs []*bytes.Buffer
}

func newReader(t *testing.T) *reader {
	t.Helper()
	dir, err := os.MkdirTemp("", "guide") // t.TempDir's paths are too long for a Unix socket
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	g := &reader{t: t, dir: dir, env: []string{"PATH=" + bin + ":" + os.Getenv("PATH"), "TMPDIR=" + dir}}
	// Nothing of whoever runs the tests: the guide has to bring all that is needed, but for where caches are.
	for _, name := range []string{"HOME", "ROTOR_CACHE", "XDG_CACHE_HOME", "ROTOR_MYSQLD", "PYENV_ROOT"} {
		if value, set := os.LookupEnv(name); set {
			g.env = append(g.env, name+"="+value)
		}
	}
	return g
}

// shell runs a text in the environment that the texts before it have left.
func (g *reader) shell(text string) *exec.Cmd {
	cmd := exec.Command("bash", "-c", "if [ -f environment ]; then . ./environment; fi\nset -eu -o pipefail\n"+text)
	cmd.Dir, cmd.Env = g.dir, g.env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

// types runs a text to its end, which has to be a success, and gives what it has printed. Where a busy machine kept Temporal from answering,
// it is typed again, as a person would.
func (g *reader) types(text string) string {
	g.t.Helper()
	for again := 3; ; again-- {
		out, errs, err := g.once(text)
		if err != nil && again > 0 && strings.Contains(errs, ": no answer; set --address") {
			continue
		}
		require.NoError(g.t, err, "%s\n%s%s\n%s", text, out, errs, g.said())
		return out
	}
}

func (g *reader) once(text string) (said, errs string, err error) {
	g.t.Helper()
	cmd := g.shell(text + "\nexport -p > environment")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	require.NoError(g.t, cmd.Start())
	timer := time.AfterFunc(patience, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	defer timer.Stop()
	err = cmd.Wait()
	return stdout.String(), stderr.String(), err
}

// beside starts a text in a terminal of its own, where it runs until the guide is through.
func (g *reader) beside(text string) {
	g.t.Helper()
	cmd, log := g.shell(text), &bytes.Buffer{}
	g.logs = append(g.logs, log)
	out := locked{&g.mu, log}
	cmd.Stdout, cmd.Stderr = out, out
	require.NoError(g.t, cmd.Start())
	g.t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		timer := time.AfterFunc(patience, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
		defer timer.Stop()
		_ = cmd.Wait() // it was told to end
	})
}

type locked struct {
	mu  *sync.Mutex
	out *bytes.Buffer
}

func (l locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.Write(p)
}

// said is what runs beside has said.
func (g *reader) said() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	var text strings.Builder
	for _, log := range g.logs {
		text.WriteString(log.String())
	}
	return text.String()
}

// awaitLine waits as the guide tells its reader to.
func (g *reader) awaitLine(text string) {
	g.t.Helper()
	require.Eventually(g.t, func() bool { return strings.Contains(g.said(), text) }, patience, 50*time.Millisecond, "%s", text)
}

func (g *reader) awaitFile(name string) {
	g.t.Helper()
	require.Eventually(g.t, func() bool {
		_, err := os.Stat(filepath.Join(g.dir, name))
		return !errors.Is(err, fs.ErrNotExist)
	}, patience, 50*time.Millisecond, "%s: %s", name, g.said())
}

// awaitScheduled waits until these secrets have schedules, and no others. Lists of Temporal come a moment after what they list.
func (g *reader) awaitScheduled(want ...string) {
	g.t.Helper()
	for deadline := time.Now().Add(patience); ; {
		var listed []struct {
			Secret   string
			Schedule *struct{}
		}
		text := g.types(`rotor list --output json`)
		require.NoError(g.t, json.Unmarshal([]byte(text), &listed), text)
		var found []string
		for _, one := range listed {
			if one.Schedule != nil {
				found = append(found, one.Secret)
			}
		}
		if slices.Equal(found, want) {
			return
		}
		require.True(g.t, time.Now().Before(deadline), "wanted: schedules of %v; found: %s", want, text)
	}
}
