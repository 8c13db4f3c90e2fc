package compose_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// programs is the folder of the image's programs.
type programs string

// version is what they are built with.
const version = "v1.2.3-compose"

// built is where they are.
var built programs

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// run builds the programs once, by the Dockerfile's own command with another folder to put them in.
func run(m *testing.M) (code int, err error) {
	dockerfile, err := os.ReadFile(filepath.Join(root, "Dockerfile"))
	if err != nil {
		return 1, err
	}
	line := regexp.MustCompile(`(?ms)^RUN (CGO_ENABLED=0 go build.*?[^\\])$`).FindSubmatch(dockerfile)
	if line == nil {
		return 1, errors.New("the Dockerfile has no RUN CGO_ENABLED=0 go build")
	}
	out, err := os.MkdirTemp("", "rotor-compose-*")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(out)) }()
	command := exec.Command("sh", "-euc", strings.ReplaceAll(string(line[1]), "/out/", out+"/"))
	command.Dir, command.Env, command.Stderr = root, append(os.Environ(), "VERSION="+version), os.Stderr
	if err := command.Run(); err != nil {
		return 1, err
	}
	built = programs(out)
	return m.Run(), nil
}

// command calls one with nothing of the tests' own environment.
func (p programs) command(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	command := exec.Command(filepath.Join(string(p), name), args...)
	command.Env = []string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH")}
	return command
}

// The Dockerfile's programs say what they were built from, need no library, and come from the Go that the module asks for.
func TestDockerfile(t *testing.T) {
	p := built
	for _, name := range installed(t) {
		require.FileExists(t, filepath.Join(string(p), name))
		said, err := p.command(t, name, "--version").Output()
		require.NoError(t, err)
		require.Contains(t, string(said), version)
		linked, err := exec.Command("go", "version", "-m", filepath.Join(string(p), name)).Output()
		require.NoError(t, err)
		require.Contains(t, string(linked), "CGO_ENABLED=0")
	}
	dockerfile := text(t, "Dockerfile")
	image := regexp.MustCompile(`(?m)^FROM golang:(\d+\.\d+) AS build$`).FindStringSubmatch(dockerfile)
	require.NotNil(t, image)
	require.Contains(t, text(t, "go.mod"), "\ngo "+image[1])
	require.Regexp(t, `(?m)^USER [1-9]\d*:[1-9]\d*$`, dockerfile, "a number, and not root's")
	cmd := regexp.MustCompile(`(?m)^CMD \["([a-z-]+)"\]$`).FindStringSubmatch(dockerfile)
	require.NotNil(t, cmd)
	require.Contains(t, installed(t), cmd[1])
}

func portText(port uint32) string { return strconv.FormatUint(uint64(port), 10) }
