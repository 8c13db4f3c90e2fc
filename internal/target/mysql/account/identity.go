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

// identify asks for them by name, which takes a server a tenth of what SHOW VARIABLES does. What stands in the comments is asked on MariaDB 10.10 and
// later only, and on MySQL 5.7 and later only: MariaDB passes over 50700 to 50999.
var identify = "SELECT CURRENT_USER() /*M!101000 , @@" + strings.Join(identifying[1:], ", @@") + " */ /*!50700 , @@" + identifying[0] + " */"

// Identify names the server that a connection reached, and the account that it logged in to, as user@host. It takes no privilege and no session that
// was set up, so that the logins of a rotation can be compared.
func Identify(ctx context.Context, conn *sql.Conn) (server, self string, err error) {
	v := variables{}
	err = reader{ctx: ctx, conn: conn}.each(identify, nil, func(values []sql.NullString) error {
		self = values[0].String
		asked := identifying[1:]
		if len(values) == 2 {
			asked = identifying[:1]
		}
		for i, value := range values[1:] {
			v[asked[i]] = value.String
		}
		return nil
	})
	if err == nil && len(v) > 0 {
		return identityOf(v), self, nil
	}
	if err != nil && number(err) != erUnknownVariable {
		return "", "", err
	}
	if v, err = readVariables(ctx, conn, "Variable_name IN ('"+strings.Join(identifying, "', '")+"')"); err != nil {
		return "", "", err
	}
	err = conn.QueryRowContext(ctx, "SELECT CURRENT_USER()").Scan(&self)
	return identityOf(v), self, err
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
