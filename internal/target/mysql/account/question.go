package account

import (
	"database/sql"
	"fmt"
	"strings"
)

// question asks a grant table for some columns of the accounts' rows. The first two are user and host; row gets the others.
type question struct {
	table   string
	columns []string
	row     func(name Name, values []sql.NullString)
}

// ask asks all questions with one statement, as each statement takes as long as the server is far away, and hands over the rows in the order of the
// questions. The tables' collations differ, so that the statement can only put them together as bytes.
func (r reader) ask(questions ...question) error {
	width := 0
	for _, q := range questions {
		width = max(width, len(q.columns))
	}
	var selects []string
	var args []any
	for i, q := range questions {
		columns := make([]string, width)
		for c := range columns {
			if columns[c] = "''"; c < len(q.columns) {
				columns[c] = q.columns[c]
			}
			columns[c] = "CONVERT(" + columns[c] + " USING binary)"
		}
		condition, users := r.named(q.columns[0])
		selects = append(selects, fmt.Sprintf("SELECT '%d', %s FROM %s WHERE %s", i, strings.Join(columns, ", "), q.table, condition))
		args = append(args, users...)
	}
	answers := make(map[string][][]sql.NullString, len(questions))
	err := r.each(strings.Join(selects, " UNION ALL "), args, func(v []sql.NullString) error {
		answers[v[0].String] = append(answers[v[0].String], append([]sql.NullString(nil), v[1:]...))
		return nil
	})
	if err != nil {
		return err
	}
	for i, q := range questions {
		for _, v := range answers[fmt.Sprint(i)] {
			if r.of(v[0].String) {
				q.row(Name{v[0].String, v[1].String}, v[2:])
			}
		}
	}
	return nil
}
