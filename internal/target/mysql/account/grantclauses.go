package account

import (
	"strconv"
	"strings"
)

// clauses reads what follows the account: nothing but WITH GRANT OPTION from MySQL 5.7 on, much in 5.6 and MariaDB.
func (p *lineParser) clauses() error {
	if p.accept("IDENTIFIED") {
		if err := p.skipIdentified(); err != nil {
			return err
		}
	}
	if p.accept("REQUIRE") {
		if err := p.require(); err != nil {
			return err
		}
	}
	if p.accept("WITH") {
		if err := p.with(); err != nil {
			return err
		}
	}
	return p.end()
}

// skipIdentified passes over plugins and hashes without keeping them.
func (p *lineParser) skipIdentified() error {
	if p.accept("BY", "PASSWORD") {
		return p.skipHash()
	}
	if err := p.expect("VIA"); err != nil {
		return err
	}
	for {
		if t, err := p.next(); err != nil || t.kind == endOfText || t.kind == symbol {
			return p.errorf("an authentication plugin")
		}
		if p.accept("USING") || p.accept("AS") {
			if err := p.skipHash(); err != nil {
				return err
			}
		}
		if !p.accept("OR") {
			return nil
		}
	}
}

// sha256Hash is the length of "$5$", 20 characters of salt, "$", and 43 of the digest. 5.6 doesn't escape the salt, which
// can hold quotes.
const sha256Hash = 3 + 20 + 1 + 43

func (p *lineParser) skipHash() error {
	p.skipSpace()
	if p.accept("<", "secret", ">") || !strings.HasPrefix(p.text[p.at:], "'") {
		return nil // MySQL 5.6 and 5.7 hide it from who is not SUPER
	}
	if rest := p.text[p.at:]; strings.HasPrefix(rest, "'$5$") && len(rest) > sha256Hash+1 && rest[sha256Hash+1] == '\'' {
		p.at += sha256Hash + 2
		return nil
	}
	t, err := p.next()
	if err == nil && t.kind != literal {
		err = p.errorf("a string")
	}
	return err
}

func (p *lineParser) require() error {
	switch {
	case p.accept("NONE"):
		return nil
	case p.accept("SSL"):
		p.out.tls.Type = "ANY"
		return nil
	case p.accept("X509"):
		p.out.tls.Type = "X509"
		return nil
	}
	p.out.tls.Type = "SPECIFIED"
	for found := false; ; found = true {
		var value *string
		var known string
		switch {
		case p.accept("ISSUER"):
			value, known = &p.out.tls.Issuer, p.known.tls.Issuer
		case p.accept("SUBJECT"):
			value, known = &p.out.tls.Subject, p.known.tls.Subject
		case p.accept("CIPHER"):
			value, known = &p.out.tls.Cipher, p.known.tls.Cipher
		default:
			if !found {
				return p.errorf("NONE, SSL, X509, ISSUER, SUBJECT or CIPHER")
			}
			return nil
		}
		if err := p.requirement(value, known); err != nil {
			return err
		}
		p.accept("AND")
	}
}

func (p *lineParser) requirement(value *string, known string) error {
	if known != "" && p.acceptRaw("'"+shown(known)+"'", "") {
		*value = known
		return nil
	}
	t, err := p.next()
	if err != nil || t.kind != literal {
		return p.errorf("a string")
	}
	*value = t.value
	if t.value == shown(known) {
		*value = known
	}
	return nil
}

// shown is how servers show text in SHOW GRANTS: they put a question mark for each byte of a character outside of the
// basic plane (seen on 5.6, 9.7 and MariaDB).
func shown(text string) string {
	var out strings.Builder
	for _, r := range text {
		if r > 0xFFFF {
			out.WriteString("????")
			continue
		}
		out.WriteRune(r)
	}
	return out.String()
}

func (p *lineParser) with() error {
	for found := false; ; found = true {
		switch {
		case p.accept("GRANT", "OPTION"):
			p.out.privileges.add(GrantOption)
			continue
		case p.accept("MAX_STATEMENT_TIME"):
			text, err := p.number()
			if err != nil {
				return err
			}
			if p.out.limits.StatementMicroseconds, err = microseconds(text); err != nil {
				return p.errorf("seconds")
			}
			continue
		}
		limit := p.limit()
		if limit == nil {
			if !found {
				return p.errorf("GRANT OPTION or a resource limit")
			}
			return nil
		}
		text, err := p.number()
		if err != nil {
			return err
		}
		if *limit, err = strconv.ParseInt(text, 10, 64); err != nil {
			return p.errorf("a whole number")
		}
	}
}

func (p *lineParser) limit() *int64 {
	switch {
	case p.accept("MAX_QUERIES_PER_HOUR"):
		return &p.out.limits.Queries
	case p.accept("MAX_UPDATES_PER_HOUR"):
		return &p.out.limits.Updates
	case p.accept("MAX_CONNECTIONS_PER_HOUR"):
		return &p.out.limits.Connections
	case p.accept("MAX_USER_CONNECTIONS"):
		return &p.out.limits.UserConnections
	}
	return nil
}

// microseconds reads a decimal number of seconds.
func microseconds(text string) (int64, error) {
	whole, fraction, _ := strings.Cut(text, ".")
	if len(fraction) > 6 {
		fraction = fraction[:6]
	}
	fraction += strings.Repeat("0", 6-len(fraction))
	return strconv.ParseInt(whole+fraction, 10, 64)
}
