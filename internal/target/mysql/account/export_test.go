package account

import "database/sql"

// What the generator of random accounts needs to know about a server.

func (s Server) AllGlobal() Names     { return s.all.global }
func (s Server) AllOnSchema() Names   { return s.all.schema }
func (s Server) AllOnTable() Names    { return s.all.table }
func (s Server) PartialRevokes() bool { return s.partialRevokes }
func (s Server) AltersUsers() bool    { return s.can.alterUser }
func (s Server) HasDynamic() bool     { return s.can.dynamic }

func nullStrings(values map[string]string) map[string]sql.NullString {
	row := map[string]sql.NullString{}
	for name, value := range values {
		row[name] = sql.NullString{String: value, Valid: true}
	}
	return row
}

// SetIdentify replaces the statement by which a server is identified.
func SetIdentify(query string) (restore func()) {
	former := identify
	identify = query
	return func() { identify = former }
}
