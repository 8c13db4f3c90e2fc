package mysqld

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"rotor/internal/devstack/cache"
	"rotor/internal/devstack/process"
)

// templateFormat changes whenever initialise or sizeArgs do, so that older templates are not used any more.
const templateFormat = 1

// Prepare makes what a first Start with the binary would have to make, which takes seconds, and returns the server's
// flavour and version.
func Prepare(ctx context.Context, binary string) (string, error) {
	b, err := examine(ctx, binary)
	if err != nil {
		return "", err
	}
	_, err = template(ctx, binary, b)
	return b.String(), err
}

// template returns an initialised data directory of the binary, made once per machine: initialising takes
// seconds, copying does not. Its accounts have no password; secure changes that in every copy.
func template(ctx context.Context, binary string, b build) (string, error) {
	real, err := filepath.EvalSymlinks(binary)
	if err != nil {
		return "", fmt.Errorf("find %s: %w", binary, err)
	}
	info, err := os.Stat(real)
	if err != nil {
		return "", fmt.Errorf("look at %s: %w", binary, err)
	}
	key := sha256.Sum256(fmt.Appendf(nil, "%d\n%s\n%d\n%d\n%s", templateFormat, real, info.Size(), info.ModTime().UnixNano(), b.text))
	name := fmt.Sprintf("datadir-%s-%d.%d.%d-%x", strings.ToLower(string(b.flavour)), b.number[0], b.number[1], b.number[2], key[:6])
	return cache.Entry(ctx, name, func(dir string) error {
		workspace, err := process.NewWorkspace()
		if err != nil {
			return err
		}
		err = initialise(ctx, workspace, binary, b, dir)
		if err == nil {
			// It holds @@server_uuid, which must not be the same for every copy; a start makes a new one.
			err = os.RemoveAll(filepath.Join(dir, "auto.cnf"))
		}
		if err != nil {
			err = fmt.Errorf("initialise a data directory of %s (%s): %w", b, binary, err)
		}
		return errors.Join(err, workspace.Close())
	})
}

func initialise(ctx context.Context, w *process.Workspace, binary string, b build, dir string) error {
	args := append([]string{"--no-defaults", "--datadir=" + dir}, userArgs()...)
	args = append(args, sizeArgs(b)...)
	switch {
	case b.flavour == MariaDB:
		script, err := installScript(binary)
		if err != nil {
			return err
		}
		args = append(args, "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve")
		// The script looks for the server in a base directory of its own; the system's it knows by itself.
		if base := filepath.Dir(filepath.Dir(binary)); base != "/usr" && base != "/" {
			args = append(args, "--basedir="+base)
		}
		return w.Run(ctx, process.Command{Name: "install", Path: script, Args: args})
	case b.atLeast(5, 7, 6):
		return w.Run(ctx, process.Command{Name: "initialise", Path: binary, Args: append(args, "--initialize-insecure")})
	default:
		return bootstrap(ctx, w, binary, args, dir)
	}
}

// installScript finds MariaDB's installer: beside the server, in its tree, or on PATH.
func installScript(binary string) (string, error) {
	beside := filepath.Dir(binary)
	for _, dir := range []string{beside, filepath.Join(beside, "../bin"), filepath.Join(beside, "../scripts"), ""} {
		for _, name := range []string{"mariadb-install-db", "mysql_install_db"} {
			if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
				return path, nil
			}
		}
	}
	return "", fmt.Errorf("mariadb-install-db is neither beside %s nor on PATH: install mariadb-server-core", binary)
}

// bootstrap does what mysql_install_db did up to MySQL 5.6, which is a Perl script and not in every package: it
// feeds the system tables' SQL to the server.
func bootstrap(ctx context.Context, w *process.Workspace, binary string, args []string, dir string) error {
	share, err := shareFolder(ctx, binary)
	if err != nil {
		return err
	}
	sql := []byte("CREATE DATABASE mysql;\nUSE mysql;\n")
	for _, name := range []string{"mysql_system_tables.sql", "mysql_system_tables_data.sql"} {
		part, err := os.ReadFile(filepath.Join(share, name))
		if err != nil {
			return fmt.Errorf("read the server's own %s: %w", name, err)
		}
		sql = append(append(sql, part...), '\n')
	}
	return w.Run(ctx, process.Command{
		Name: "bootstrap", Path: binary, Args: append(args, "--bootstrap"), Stdin: bytes.NewReader(sql),
	})
}

// shareFolder asks the server where its messages and scripts are.
func shareFolder(ctx context.Context, binary string) (string, error) {
	out, err := exec.CommandContext(ctx, binary, "--no-defaults", "--verbose", "--help").Output()
	if err != nil {
		return "", fmt.Errorf("ask %s for its settings: %w", binary, err)
	}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		if len(fields) == 2 && fields[0] == "lc-messages-dir" {
			return fields[1], nil
		}
	}
	return "", fmt.Errorf("%s does not say where its share folder is (lc-messages-dir)", binary)
}

// userArgs: as root a server runs only if it is told to.
func userArgs() []string {
	if os.Geteuid() == 0 {
		return []string{"--user=root"}
	}
	return nil
}

// sizeArgs keep files and memory small. They apply when the data directory is made, too: old servers refuse to
// start when the log files have another size than they were made with.
func sizeArgs(b build) []string {
	args := []string{
		"--innodb-buffer-pool-size=32M",
		"--key-buffer-size=1M",
		"--table-open-cache=256",
		"--performance-schema=OFF",
		"--innodb-use-native-aio=OFF", // many small servers would use up the kernel's requests
	}
	if b.flavour == MySQL && b.atLeast(8, 0, 30) {
		return append(args, "--innodb-redo-log-capacity=8M")
	}
	return append(args, "--innodb-log-file-size=4M")
}
