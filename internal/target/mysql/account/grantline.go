package account

import "strings"

// A line is one line of SHOW GRANTS.
type line struct {
	kind       lineKind
	privileges Names            // lineGrant, lineRevoke; empty for USAGE
	columns    map[string]Names // by privilege
	// bareColumns: the line has a list of columns that the server wrote without quotes, so that it can't be taken apart.
	// Of such a line nothing else is read.
	bareColumns bool
	level       level
	schema      string // of the levels below global
	object      string // table or routine
	routine     string // kind of routine
	roles       []Name // lineRole, lineDefaultRole
	grantee     Name   // not for bareColumns; PUBLIC on MariaDB is user PUBLIC without host
	// option is WITH GRANT OPTION of lineProxy, WITH ADMIN OPTION of lineRole. Else GRANT OPTION is in privileges.
	option bool
	// tls and limits stand in the global line of MySQL 5.6 and MariaDB only.
	tls    TLS
	limits Limits
}

type lineKind int

const (
	lineGrant lineKind = iota
	lineRevoke
	lineProxy // what it is on is not read: before MySQL 8 it isn't escaped
	lineRole
	lineDefaultRole
)

type level int

const (
	global level = iota
	schema
	table
	routine
)

// expected is what is known about a line before it is read. MySQL before 8.0 writes accounts and TLS subjects in quotes
// without escaping them: such text can only be recognised, not read.
type expected struct {
	account Name
	tls     TLS
	// others: lines for others than account are expected, too: the admin's roles, and PUBLIC.
	others bool
}

// parseLine reads a line of SHOW GRANTS. What it does not understand is an error without any of the line's text.
func parseLine(text string, known expected) (line, error) {
	p := &lineParser{scanner: scanner{text: text}, known: known}
	return p.line()
}

type lineParser struct {
	scanner
	known expected
	out   line
}

func (p *lineParser) line() (line, error) {
	var err error
	switch {
	case p.accept("GRANT"):
		err = p.grant()
	case p.accept("REVOKE"):
		err = p.revoke()
	case p.accept("SET", "DEFAULT", "ROLE"):
		err = p.defaultRole()
	default:
		err = p.errorf("GRANT, REVOKE or SET DEFAULT ROLE")
	}
	return p.out, err
}

func (p *lineParser) grant() error {
	if first := p.peek(); first.kind == identifier || first.kind == literal {
		return p.grantRoles()
	}
	at := p.at
	if p.accept("PROXY", "ON") {
		p.out.kind = lineProxy
		return p.proxy()
	}
	if err := p.privilegeList(); err != nil || p.out.bareColumns {
		return err
	}
	if p.accept("TO") && len(p.out.privileges) > 0 { // roles of older MariaDB, without quotes
		p.at = at
		return p.bareRole()
	}
	if err := p.expect("ON"); err != nil {
		return err
	}
	if err := p.object(); err != nil {
		return err
	}
	if err := p.expect("TO"); err != nil {
		return err
	}
	if err := p.grantee(); err != nil {
		return err
	}
	return p.clauses()
}

func (p *lineParser) revoke() error {
	p.out.kind = lineRevoke
	// A partial revoke of GRANT OPTION alone prints no privilege at all.
	if !p.peek().is("ON") {
		if err := p.privilegeList(); err != nil {
			return err
		}
	}
	if err := p.expect("ON"); err != nil {
		return err
	}
	if err := p.object(); err != nil {
		return err
	}
	if p.out.level != schema {
		return p.errorf("a schema, as partial revokes are of schemas")
	}
	if err := p.expect("FROM"); err != nil {
		return err
	}
	if err := p.grantee(); err != nil {
		return err
	}
	return p.end()
}

// privilegeList reads "SELECT (`a`, `b`), SHOW VIEW, ..." up to ON or TO.
func (p *lineParser) privilegeList() error {
	p.out.privileges, p.out.columns = Names{}, map[string]Names{}
	for {
		var words []string
		for t := p.peek(); t.kind == word && !t.is("ON") && !t.is("TO"); t = p.peek() {
			_, _ = p.next()
			words = append(words, strings.ToUpper(t.value))
		}
		if len(words) == 0 {
			return p.errorf("a privilege")
		}
		name := canonicalPrivilege(strings.Join(words, " "))
		switch {
		case p.accept("("):
			if p.peek().kind != identifier {
				p.out.bareColumns = true
				return nil
			}
			if err := p.columnList(name); err != nil {
				return err
			}
		case name == "ALL":
			p.out.privileges.add(AllPrivileges)
		case name != "USAGE":
			p.out.privileges.add(name)
		}
		if !p.accept(",") {
			return nil
		}
	}
}

func (p *lineParser) columnList(privilege string) error {
	for {
		name, err := p.quotedName("a column")
		if err != nil {
			return err
		}
		p.out.columns[privilege] = p.out.columns[privilege].add(name)
		if p.accept(")") {
			return nil
		}
		if err := p.expect(","); err != nil {
			return err
		}
	}
}

// object reads what follows ON: *.*, `schema`.*, `schema`.`table`, PROCEDURE `schema`.`name`.
func (p *lineParser) object() error {
	if p.accept("*", ".", "*") {
		return nil
	}
	var words []string
	for t := p.peek(); t.kind == word; t = p.peek() {
		_, _ = p.next()
		words = append(words, strings.ToUpper(t.value))
	}
	kind := strings.Join(words, " ")
	var err error
	if p.out.schema, err = p.quotedName("a schema"); err != nil {
		return err
	}
	if err := p.expect("."); err != nil {
		return err
	}
	if kind == "" && p.accept("*") {
		p.out.level = schema
		return nil
	}
	if p.out.object, err = p.quotedName("a table or routine"); err != nil {
		return err
	}
	switch kind {
	case "", "TABLE":
		p.out.level = table
	case "PROCEDURE", "FUNCTION", "PACKAGE", "PACKAGE BODY", "LIBRARY":
		p.out.level, p.out.routine = routine, kind
	default:
		return p.errorf("a kind of object that is known")
	}
	return nil
}

// grantee reads an account. One that is written without escapes is recognised where it is known.
func (p *lineParser) grantee() error {
	if known := p.known.account; p.acceptRaw("'"+known.User+"'@'"+known.Host+"'", "") {
		p.out.grantee = known
		return nil
	}
	at := p.at
	name, err := p.name()
	if err != nil {
		return err
	}
	if !p.known.others && name != p.known.account {
		p.at = at
		return p.errorf("the account that was asked for")
	}
	p.out.grantee = name
	return nil
}

func (p *lineParser) name() (Name, error) {
	if p.accept("PUBLIC") {
		return Name{User: "PUBLIC"}, nil
	}
	user, err := p.quotedName("an account or role")
	if err != nil {
		return Name{}, err
	}
	name := Name{User: user}
	if p.accept("@") {
		name.Host, err = p.quotedName("a host")
	}
	return name, err
}

func (p *lineParser) grantRoles() error {
	p.out.kind = lineRole
	for {
		role, err := p.name()
		if err != nil {
			return err
		}
		p.out.roles = append(p.out.roles, role)
		if !p.accept(",") {
			break
		}
	}
	return p.roleGrantee()
}

func (p *lineParser) bareRole() error {
	p.out = line{kind: lineRole}
	p.skipSpace()
	start := p.at
	end := strings.LastIndex(p.text[start:], " TO ")
	if end < 0 {
		return p.errorf("TO")
	}
	p.out.roles = []Name{{User: p.text[start : start+end]}}
	p.at = start + end
	return p.roleGrantee()
}

func (p *lineParser) roleGrantee() error {
	if err := p.expect("TO"); err != nil {
		return err
	}
	if err := p.grantee(); err != nil {
		return err
	}
	p.out.option = p.accept("WITH", "ADMIN", "OPTION")
	return p.end()
}

func (p *lineParser) defaultRole() error {
	p.out.kind = lineDefaultRole
	role, err := p.name()
	if err != nil {
		return err
	}
	p.out.roles = []Name{role}
	if err := p.expect("FOR"); err != nil {
		return err
	}
	if err := p.grantee(); err != nil {
		return err
	}
	return p.end()
}

// proxy only looks at whom the right is given to; the end of the line is known.
func (p *lineParser) proxy() error {
	if p.known.others { // what it is on is read from the grant tables
		p.at = len(p.text)
		return nil
	}
	rest, option := strings.CutSuffix(p.text, " WITH GRANT OPTION")
	p.out.option, p.out.grantee = option, p.known.account
	for _, written := range writtenForms(p.known.account) {
		if strings.HasSuffix(rest, " TO "+written) {
			p.at = len(p.text)
			return nil
		}
	}
	return p.errorf("the account that was asked for at the end")
}

// writtenForms are the ways in which servers write an account.
func writtenForms(n Name) []string {
	return []string{quoteName(n.User) + "@" + quoteName(n.Host), "'" + n.User + "'@'" + n.Host + "'"}
}

func (p *lineParser) end() error {
	if t := p.peek(); t.kind != endOfText || p.at < len(strings.TrimRight(p.text, " ")) {
		return p.errorf("the end of the line")
	}
	return nil
}
