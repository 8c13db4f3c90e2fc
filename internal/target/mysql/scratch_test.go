package mysql_test

import (
	"context"
	"database/sql"
	"fmt"
	"testing"
	"time"

	"rotor/internal/devstack/mysqld"
	"rotor/internal/devstack/mysqld/mysqldtest"
)

func TestMain(m *testing.M) { mysqldtest.Main(m) }

func TestScratch(t *testing.T) {
	mysqldtest.ForEach(t, func(t *testing.T, s *mysqld.Server) {
		ctx := t.Context()
		ex := func(q string) { _, err := s.DB().Exec(q); fmt.Println("  ", q, "->", err) }
		fmt.Println("=====", s.Name(), s.Version)
		ex("CREATE USER 'low'@'%' IDENTIFIED BY 'pw-1Aaaaaaaa'")
		try := func(pw, dbn string) {
			db, _ := s.Open("low", pw, dbn)
			fmt.Println("login", pw, dbn, db.Ping())
			db.Close()
		}
		try("pw-1Aaaaaaaa", "")
		try("pw-1Aaaaaaaa", "nodb")
		try("pw-1Aaaaaaaa", "mysql")
		try("wrong", "nodb")
		try("wrong", "mysql")
		low, _ := s.Open("low", "pw-1Aaaaaaaa", "")
		rows := func(db *sql.DB, q string) {
			r, err := db.Query(q)
			if err != nil {
				fmt.Println("   Q", q, err)
				return
			}
			defer r.Close()
			cols, _ := r.Columns()
			for r.Next() {
				vals := make([]sql.NullString, len(cols))
				ptr := make([]any, len(cols))
				for i := range vals {
					ptr[i] = &vals[i]
				}
				r.Scan(ptr...)
				fmt.Print("   ")
				for _, v := range vals {
					fmt.Print(v.String, " | ")
				}
				fmt.Println()
			}
			fmt.Println("   Q", q, r.Err())
		}
		rows(low, "SELECT TABLE_NAME, COLUMN_TYPE, CHARACTER_MAXIMUM_LENGTH FROM information_schema.COLUMNS WHERE (TABLE_SCHEMA='information_schema' AND TABLE_NAME='PROCESSLIST' AND COLUMN_NAME='USER') OR (TABLE_SCHEMA='mysql' AND TABLE_NAME='user' AND COLUMN_NAME='User')")
		rows(s.DB(), "SELECT TABLE_NAME, COLUMN_TYPE, CHARACTER_MAXIMUM_LENGTH FROM information_schema.COLUMNS WHERE (TABLE_SCHEMA='information_schema' AND TABLE_NAME='PROCESSLIST' AND COLUMN_NAME='USER') OR (TABLE_SCHEMA='mysql' AND TABLE_NAME='user' AND COLUMN_NAME='User')")
		rows(low, "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('server_uuid','server_uid','hostname','port','datadir','socket','server_id','version','version_comment','read_only','super_read_only','innodb_read_only','lock_wait_timeout','wait_timeout','password_history','password_reuse_interval','have_ssl','tls_version','require_secure_transport','partial_revokes', 'basedir','pid_file')")

		// hanging behind FTWRL
		ex("CREATE USER 'alt'@'%' IDENTIFIED BY 'old-1Aaaaaaaa'")
		blocker, _ := s.DB().Conn(ctx)
		_, err := blocker.ExecContext(ctx, "FLUSH TABLES WITH READ LOCK")
		fmt.Println("FTWRL", err)
		alter := "ALTER USER 'alt'@'%' IDENTIFIED BY 'new-1Aaaaaaaa'"
		if s.Version[:3] == "5.6" {
			alter = "SET PASSWORD FOR 'alt'@'%' = PASSWORD('new-1Aaaaaaaa')"
		}
		w, _ := s.DB().Conn(ctx)
		_, err = w.ExecContext(ctx, "SET lock_wait_timeout=1")
		fmt.Println("set", err)
		t0 := time.Now()
		_, err = w.ExecContext(ctx, alter)
		fmt.Println("alter with lock_wait_timeout=1:", err, time.Since(t0))
		w.Close()

		h, _ := s.DB().Conn(ctx)
		var id, got int
		h.QueryRowContext(ctx, "SELECT CONNECTION_ID(), GET_LOCK('rotor:x', 0)").Scan(&id, &got)
		fmt.Println("holder", id, got)
		c2, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
		_, err = h.ExecContext(c2, alter)
		fmt.Println("holder alter:", err)
		cancel()
		h.Close()
		time.Sleep(500 * time.Millisecond)
		k, _ := s.DB().Conn(ctx)
		var used sql.NullInt64
		k.QueryRowContext(ctx, "SELECT IS_USED_LOCK('rotor:x'), GET_LOCK('rotor:x', 0)").Scan(&used, &got)
		fmt.Println("used by", used, "got", got)
		t0 = time.Now()
		for i := 0; i < 50; i++ {
			_, err = k.ExecContext(ctx, fmt.Sprintf("KILL %d", id))
			fmt.Println("KILL", err, time.Since(t0))
			if err != nil {
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
		k.QueryRowContext(ctx, "SELECT IS_USED_LOCK('rotor:x'), GET_LOCK('rotor:x', 1)").Scan(&used, &got)
		fmt.Println("after kill used by", used, "got", got)
		_, err = blocker.ExecContext(ctx, "UNLOCK TABLES")
		blocker.Close()
		time.Sleep(300 * time.Millisecond)
		a, _ := s.Open("alt", "old-1Aaaaaaaa", "")
		fmt.Println("old login:", a.Ping())
		a.Close()
		rows(s.DB(), "SELECT @@version_compile_os, SUBSTRING_INDEX(USER(),'@',-1), CURRENT_USER()")
	})
}
