package account

import (
	"fmt"
	"strings"
)

// scanner takes the server's text apart, one token at a time. It remembers no values for errors: they are positions.
type scanner struct {
	text string
	at   int
}

type tokenKind int

const (
	endOfText  tokenKind = iota
	word                 // letters, digits, _, $ and whatever is not ASCII
	identifier           // `quoted`
	literal              // 'quoted' or "quoted"
	symbol               // one character
)

type token struct {
	kind  tokenKind
	value string // unquoted
}

func (t token) is(keyword string) bool {
	return (t.kind == word || t.kind == symbol) && strings.EqualFold(t.value, keyword)
}

// syntaxError says where a text is not as expected, and what was expected there. It quotes nothing: the text can hold a hash.
type syntaxError struct {
	at   int
	want string
}

func (e *syntaxError) Error() string { return fmt.Sprintf("at byte %d: want %s", e.at, e.want) }

func (s *scanner) errorf(format string, args ...any) error {
	return &syntaxError{s.at, fmt.Sprintf(format, args...)}
}

func (s *scanner) skipSpace() {
	for s.at < len(s.text) && strings.IndexByte(" \t\r\n", s.text[s.at]) >= 0 {
		s.at++
	}
}

func (s *scanner) next() (token, error) {
	s.skipSpace()
	if s.at == len(s.text) {
		return token{}, nil
	}
	switch c := s.text[s.at]; {
	case c == '`' || c == '\'' || c == '"':
		return s.quoted(c)
	case isWord(c):
		start := s.at
		for s.at < len(s.text) && isWord(s.text[s.at]) {
			s.at++
		}
		return token{word, s.text[start:s.at]}, nil
	default:
		s.at++
		return token{symbol, string(c)}, nil
	}
}

func isWord(c byte) bool {
	return c == '_' || c == '$' || c >= 0x80 || '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
}

// quoted reads a quoted name or string: the quote itself is doubled, and in strings a backslash escapes.
func (s *scanner) quoted(quote byte) (token, error) {
	start := s.at
	var value strings.Builder
	for s.at++; s.at < len(s.text); s.at++ {
		c := s.text[s.at]
		switch {
		case c == quote:
			if s.at+1 < len(s.text) && s.text[s.at+1] == quote {
				s.at++
				break
			}
			s.at++
			if quote == '`' {
				return token{identifier, value.String()}, nil
			}
			return token{literal, value.String()}, nil
		case c == '\\' && quote != '`' && s.at+1 < len(s.text):
			s.at++
			c = unescape(s.text[s.at])
		}
		value.WriteByte(c)
	}
	s.at = start
	return token{}, s.errorf("the end of what is quoted here")
}

func unescape(c byte) byte {
	switch c {
	case '0':
		return 0
	case 'b':
		return '\b'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	case 'Z':
		return 26
	}
	return c
}

func (s *scanner) peek() token {
	at := s.at
	t, err := s.next()
	s.at = at
	if err != nil {
		return token{}
	}
	return t
}

// accept takes the keywords if they come next, all of them or none.
func (s *scanner) accept(keywords ...string) bool {
	at := s.at
	for _, k := range keywords {
		if t, err := s.next(); err != nil || !t.is(k) {
			s.at = at
			return false
		}
	}
	return true
}

func (s *scanner) expect(keywords ...string) error {
	for _, k := range keywords {
		if !s.accept(k) {
			s.skipSpace()
			return s.errorf("%s", k)
		}
	}
	return nil
}

// acceptRaw takes the text as it stands, if a space, one of the symbols or the end follows.
func (s *scanner) acceptRaw(text, symbols string) bool {
	s.skipSpace()
	if !strings.HasPrefix(s.text[s.at:], text) {
		return false
	}
	if after := s.at + len(text); after == len(s.text) || strings.IndexByte(" "+symbols, s.text[after]) >= 0 {
		s.at = after
		return true
	}
	return false
}

func (s *scanner) quotedName(what string) (string, error) {
	s.skipSpace()
	at := s.at
	t, err := s.next()
	if err != nil {
		return "", err
	}
	if t.kind != identifier && t.kind != literal {
		s.at = at
		return "", s.errorf("%s in quotes", what)
	}
	return t.value, nil
}

// number takes a decimal number as it stands.
func (s *scanner) number() (string, error) {
	s.skipSpace()
	start := s.at
	for s.at < len(s.text) && (s.text[s.at] >= '0' && s.text[s.at] <= '9' || s.text[s.at] == '.' || s.at == start && s.text[s.at] == '-') {
		s.at++
	}
	if s.at == start {
		return "", s.errorf("a number")
	}
	return s.text[start:s.at], nil
}

// parseNames reads a list of accounts or roles, as in mandatory_roles: quoted or not, '%' where there is no host.
func parseNames(text string) ([]Name, error) {
	s := &scanner{text: text}
	var names []Name
	part := func() (string, error) {
		start := s.at
		t, err := s.next()
		if err != nil {
			return "", err
		}
		switch t.kind {
		case identifier, literal:
			return t.value, nil
		case endOfText:
			return "", s.errorf("a name")
		}
		for s.at < len(s.text) && strings.IndexByte(",@ ", s.text[s.at]) < 0 { // hosts are full of dots
			s.at++
		}
		return strings.TrimSpace(s.text[start:s.at]), nil
	}
	for s.peek().kind != endOfText {
		if len(names) > 0 {
			if err := s.expect(","); err != nil {
				return nil, err
			}
		}
		user, err := part()
		if err != nil {
			return nil, err
		}
		name := Name{user, "%"}
		if s.accept("@") {
			if name.Host, err = part(); err != nil {
				return nil, err
			}
		}
		names = append(names, name)
	}
	return names, nil
}
