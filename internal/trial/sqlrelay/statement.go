package sqlrelay

import (
	"fmt"
	"strings"
	"unicode"
)

// Statement is what a client asks of the server.
type Statement struct {
	// Text has a ? for every literal and quoted name and a # for every number, so that it holds no password, and is the same for every
	// account: "ALTER USER ? IDENTIFIED BY ?". A login is "login".
	Text string
}

// login is the text of a login.
const login = "login"

// Changes says whether the statement may change something that outlives its session.
func (s Statement) Changes() bool {
	for _, reading := range []string{login, "SELECT", "SHOW", "SET SESSION", "SET NAMES", "KILL", "DO", "command"} {
		if strings.HasPrefix(s.Text, reading) {
			return false
		}
	}
	return true
}

// Commands of the protocol.
const (
	comQuit  = 0x01
	comQuery = 0x03
)

func statementOf(payload []byte) *Statement {
	if len(payload) == 0 || payload[0] != comQuery {
		return &Statement{fmt.Sprintf("command %#x", payload[:min(1, len(payload))])}
	}
	return &Statement{shape(string(payload[1:]))}
}

// shape leaves out what differs between two rotations.
func shape(sql string) string {
	var b strings.Builder
	for i := 0; i < len(sql); i++ {
		switch c := sql[i]; {
		case c == '\'' || c == '"' || c == '`':
			i = closing(sql, i)
			b.WriteByte('?')
		case unicode.IsDigit(rune(c)) && !inWord(b.String()):
			for i+1 < len(sql) && unicode.IsDigit(rune(sql[i+1])) {
				i++
			}
			b.WriteByte('#')
		default:
			b.WriteByte(c)
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// closing is the index of the quote that ends what the one at i begins.
func closing(sql string, i int) int {
	for quote := sql[i]; i+1 < len(sql); {
		i++
		switch {
		case sql[i] == '\\' && quote != '`':
			i++
		case sql[i] != quote:
		case i+1 < len(sql) && sql[i+1] == quote:
			i++
		default:
			return i
		}
	}
	return i
}

func inWord(before string) bool {
	if before == "" {
		return false
	}
	last := rune(before[len(before)-1])
	return unicode.IsLetter(last) || last == '_'
}
