package mysql

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"slices"
	"strings"
)

// identity names the server that a connection reached. It takes no privilege, so that the logins of a rotation can be
// compared. MySQL has @@server_uuid; MariaDB has nothing of that kind (@@server_uid is made of a hardware address and the
// port, which containers can share), so there it is a hash of what tells the process and its data from others.
func identity(ctx context.Context, conn *sql.Conn) (string, error) {
	rows, err := conn.QueryContext(ctx, "SHOW GLOBAL VARIABLES WHERE Variable_name IN "+
		"('server_uuid', 'server_uid', 'server_id', 'hostname', 'port', 'datadir', 'socket')")
	if err != nil {
		return "", err
	}
	defer func() { _ = rows.Close() }()
	var parts []string
	for rows.Next() {
		var name, value string
		if err := rows.Scan(&name, &value); err != nil {
			return "", err
		}
		if name == "server_uuid" && value != "" {
			return value, rows.Err()
		}
		parts = append(parts, name+"="+value)
	}
	slices.Sort(parts)
	sum := sha256.Sum256([]byte(strings.Join(parts, "\n")))
	return "mariadb-" + hex.EncodeToString(sum[:8]), rows.Err()
}
