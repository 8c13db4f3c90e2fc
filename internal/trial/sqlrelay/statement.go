package sqlrelay

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
)

// Statement is what a client asks of the server.
type Statement struct {
	// Text has a ? for every literal and quoted name and a # for every number, so that it holds no password, and is the same for every
	// account: "ALTER USER ? IDENTIFIED BY ?". A login is Login.
	Text string
	// Account is who logs in; "" of anything else.
	Account string
}

// Login is the text of a login.
const Login = "login"

// Changes says whether the statement may change something that outlives its session.
func (s Statement) Changes() bool {
	for _, reading := range []string{Login, "SELECT", "SHOW", "SET SESSION", "SET NAMES", "KILL", "DO", "command"} {
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
		return &Statement{Text: fmt.Sprintf("command %#x", payload[:min(1, len(payload))])}
	}
	return &Statement{Text: shape(string(payload[1:]))}
}

// loginOf is the login that a client's first packet asks for: of the protocol since MySQL 4.1, with the account's name after 32 bytes that say what
// the client can (https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_packets_protocol_handshake_response.html).
func loginOf(payload []byte) *Statement {
	const before = 32
	s := &Statement{Text: Login}
	if len(payload) > before {
		name, _, _ := bytes.Cut(payload[before:], []byte{0})
		s.Account = string(name)
	}
	return s
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
