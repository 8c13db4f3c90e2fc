package account

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"rotor/internal/rotation"
)

// checkColumnsExist finds privileges on columns that are gone, before the first change. They stay in the grant tables when a
// column is dropped, and no statement can give them to another account.
func checkColumnsExist(ctx context.Context, conn *sql.Conn, changes Changes) error {
	var gone []string
	for _, s := range changes.Level {
		if s.columns == nil {
			continue
		}
		existing, err := columnsOf(ctx, conn, s.table)
		if err != nil {
			return err
		}
		for _, name := range s.columns.Sorted() {
			if existing != nil && !slices.ContainsFunc(existing, func(e string) bool { return strings.EqualFold(e, name) }) {
				gone = append(gone, fmt.Sprintf("%s of %s.%s", quoteName(name), quoteName(s.table.Schema), quoteName(s.table.Name)))
			}
		}
	}
	if len(gone) > 0 {
		slices.Sort(gone)
		return rotation.Errorf(rotation.Permanent,
			"the current account has privileges on columns that do not exist or that the admin account can't see: %s; revoke them, as they can't be given to another account",
			strings.Join(slices.Compact(gone), ", ")).Found(rotation.FindingUnclonable)
	}
	return nil
}

// columnsOf lists the columns of a table; nil if that can't be told.
func columnsOf(ctx context.Context, conn *sql.Conn, t Table) ([]string, error) {
	r := reader{ctx: ctx, conn: conn}
	columns := []string{}
	err := r.each("SHOW COLUMNS FROM "+quoteName(t.Schema)+"."+quoteName(t.Name), nil, func(v []sql.NullString) error {
		columns = append(columns, v[0].String)
		return nil
	})
	switch {
	case number(err) == erNoSuchTable || number(err) == erBadDatabase:
		return columns, nil
	case number(err) != 0: // a broken view, or no right to look: the GRANT will tell
		return nil, nil
	}
	return columns, Failure(err, "look at the columns of %s.%s", quoteName(t.Schema), quoteName(t.Name))
}
