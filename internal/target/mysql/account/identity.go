package account

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"slices"
	"strings"
)

// identifying are the variables that an identity is made of.
var identifying = []string{"server_uuid", "server_uid", "server_id", "hostname", "port", "datadir", "socket"}

// Identify names the server that a connection reached. It takes no privilege and no session that was set up, so that the logins of a rotation
// can be compared.
func Identify(ctx context.Context, conn *sql.Conn) (string, error) {
	v, err := readVariables(ctx, conn, "Variable_name IN ('"+strings.Join(identifying, "', '")+"')")
	return identityOf(v), err
}

// identityOf: MySQL has @@server_uuid; MariaDB has nothing of that kind (@@server_uid is made of a hardware address and the port, which
// containers can share), so there it is a hash of what tells the process and its data from others.
func identityOf(v variables) string {
	if id := v["server_uuid"]; id != "" {
		return id
	}
	var parts []string
	for _, name := range identifying {
		if value, has := v[name]; has {
			parts = append(parts, name+"="+value)
		}
	}
	slices.Sort(parts)
	sum := sha256.Sum256([]byte(strings.Join(parts, "\n")))
	return "mariadb-" + hex.EncodeToString(sum[:8])
}
