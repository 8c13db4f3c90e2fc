package mysqld

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"rotor/internal/devstack/cache"
)

// BinariesVariable names the environment variable with the servers to use: one path, or several separated by
// colons. Each is a mysqld or mariadbd, or a script that ends with exec of one and passes its arguments on first.
const BinariesVariable = "ROTOR_MYSQLD"

// errNoServer is one line, for a person on a fresh machine.
var errNoServer = errors.New("no MySQL server here: install Debian's mariadb-server-core and mariadb-client-core " +
	"(apt-get install mariadb-server-core mariadb-client-core), or set " + BinariesVariable + " to a mysqld or mariadbd")

// Binaries lists the servers of this machine: those of ROTOR_MYSQLD, else the first mysqld or mariadbd on PATH or
// in /usr/sbin. There is at least one, or an error of one line that says what to install.
func Binaries() ([]string, error) {
	if list := os.Getenv(BinariesVariable); list != "" {
		var paths []string
		for _, path := range filepath.SplitList(list) {
			if path == "" {
				continue
			}
			found, err := exec.LookPath(path)
			if err != nil {
				return nil, fmt.Errorf("%s: %q is not an executable file", BinariesVariable, path)
			}
			if found, err = filepath.Abs(found); err != nil {
				return nil, fmt.Errorf("%s: %w", BinariesVariable, err)
			}
			paths = append(paths, found)
		}
		if len(paths) > 0 {
			return paths, nil
		}
	}
	// /usr/sbin is where Debian puts it, and not on an ordinary user's PATH.
	for _, name := range []string{"mysqld", "mariadbd", "/usr/sbin/mysqld", "/usr/sbin/mariadbd"} {
		if path, err := exec.LookPath(name); err == nil {
			return []string{path}, nil
		}
	}
	return nil, errNoServer
}

// Fetched lists the servers that tools/mysqlservers has fetched into the cache; there may be none.
func Fetched() ([]string, error) {
	dir, err := cache.Dir()
	if err != nil {
		return nil, err
	}
	return filepath.Glob(filepath.Join(dir, "mysql-*", "mysqld"))
}

// TwoPasswords tells whether the server's accounts can take two passwords at a time.
func TwoPasswords(ctx context.Context, binary string) (bool, error) {
	b, err := examine(ctx, binary)
	return b.flavour == MySQL && b.atLeast(8, 0, 14), err
}

// Flavour tells the two families of servers apart.
type Flavour string

// The flavours.
const (
	MySQL   Flavour = "MySQL"
	MariaDB Flavour = "MariaDB"
)

// build is what a binary says about itself.
type build struct {
	flavour Flavour
	text    string // the version as --version prints it; part of the key of the template
	number  [3]int
}

var versionPattern = regexp.MustCompile(`Ver (?:\S+ Distrib )?(\d+)\.(\d+)\.(\d+)(\S*)`)

// examine asks the binary for its version.
func examine(ctx context.Context, binary string) (build, error) {
	out, err := exec.CommandContext(ctx, binary, "--no-defaults", "--version").Output()
	if err != nil {
		return build{}, fmt.Errorf("ask %s for its version: %w", binary, err)
	}
	match := versionPattern.FindStringSubmatch(string(out))
	if match == nil {
		return build{}, fmt.Errorf("%s --version does not answer like a MySQL or MariaDB server", binary)
	}
	b := build{flavour: MySQL, text: match[0]}
	if strings.Contains(string(out), "MariaDB") {
		b.flavour = MariaDB
	}
	for i := range b.number {
		b.number[i], _ = strconv.Atoi(match[i+1]) // digits, by the pattern
	}
	return b, nil
}

// ModernTLS tells whether the server can speak TLS 1.2 or newer, without which Go's clients don't connect.
func ModernTLS(ctx context.Context, binary string) (bool, error) {
	b, err := examine(ctx, binary)
	// The builds of MySQL before 5.7.28 could have yaSSL, which ends at 1.1.
	return b.flavour == MariaDB || b.atLeast(5, 7, 28), err
}

// atLeast compares version numbers of the same flavour.
func (b build) atLeast(major, minor, patch int) bool {
	for i, want := range [3]int{major, minor, patch} {
		if b.number[i] != want {
			return b.number[i] > want
		}
	}
	return true
}

func (b build) String() string {
	return fmt.Sprintf("%s %d.%d.%d", b.flavour, b.number[0], b.number[1], b.number[2])
}
