package rotation

import (
	"bytes"
	"encoding/json"
	"net"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Dialect names the fields of a kind of document.
type Dialect struct {
	Account, Password, Host, Port, Database, TLS, Admin string
	// Engine says what kind of server it is; "" where the documents don't say it.
	Engine string
	// Suffix tells the two accounts of a pair apart.
	Suffix string
	// HostOptional: the address may be missing, because the target knows it by another way.
	HostOptional bool
}

// AlibabaDialect is the document of the Function Compute recipe for self-managed MySQL.
var AlibabaDialect = Dialect{
	Account: "AccountName", Password: "AccountPassword", Host: "Endpoint", Port: "Port", Database: "DBName",
	TLS: "SSL", Admin: "MasterSecret", Suffix: SuffixAlibaba,
}

// AWSDialect is the document of AWS's rotation templates for MySQL and MariaDB.
var AWSDialect = Dialect{
	Account: "username", Password: "password", Host: "host", Port: "port", Database: "dbname",
	TLS: "ssl", Admin: "masterarn", Engine: "engine", Suffix: SuffixAWS,
}

// engines are what field Engine of a document may say, as AWS's templates have it.
var engines = []string{"mysql", "mariadb", "aurora-mysql"}

// TLSMode is what a document asks of the connection.
type TLSMode string

const (
	// TLSPreferred: TLS if the server offers it, verified if it can be; plain only if the server offers none.
	TLSPreferred TLSMode = "preferred"
	// TLSRequired: TLS, verified, or an error.
	TLSRequired TLSMode = "required"
	// TLSOff: no TLS.
	TLSOff TLSMode = "off"
)

// Place is where a login goes: what the document says of the connection.
type Place struct {
	Host     string
	Port     int
	Database string
	TLS      TLSMode
	// Instance and Region say where it is in a cloud, for targets that are reached through its API.
	Instance, Region string
}

// At is the place with another address.
func (p Place) At(host string, port int) Place {
	p.Host, p.Port = host, port
	return p
}

// SameServer says whether two places are the same address, whatever the database and TLS.
func (p Place) SameServer(q Place) bool {
	return strings.EqualFold(strings.TrimSuffix(p.Host, "."), strings.TrimSuffix(q.Host, ".")) && p.Port == q.Port
}

// Address is host and port, for people; the instance, where only that is known.
func (p Place) Address() string {
	if p.Host == "" && p.Instance != "" {
		return "instance " + p.Instance
	}
	return net.JoinHostPort(p.Host, strconv.Itoa(p.Port))
}

// Document is the value of a secret. Fields that a rotation does not know survive to the byte, and in their order.
type Document struct {
	dialect Dialect
	names   []string
	// raw are the fields' values as they stand. Any may be the password, or another one's.
	raw map[string]Secret

	// Version is the version of the secret whose value this is, "" if nobody said so.
	Version  string
	Account  string
	Password Secret
	Place    Place
	// Admin names the secret of the admin account, "" if there is none.
	Admin string
}

const defaultMySQLPort = 3306

// ParseDocument reads a document. What is wrong is reported as a permanent error that names the secret and the field
// and quotes no value.
func ParseDocument(secret string, dialect Dialect, data Secret) (*Document, error) {
	d := &Document{dialect: dialect, raw: map[string]Secret{}}
	if err := d.readFields(secret, data); err != nil {
		return nil, err
	}
	for _, f := range []struct {
		name     string
		into     *string
		required bool
	}{{dialect.Account, &d.Account, true}, {dialect.Host, &d.Place.Host, !dialect.HostOptional}, {dialect.Database, &d.Place.Database, false}, {dialect.Admin, &d.Admin, false}} {
		if err := d.text(secret, f.name, f.into, f.required); err != nil {
			return nil, err
		}
	}
	var password string
	if err := d.text(secret, dialect.Password, &password, true); err != nil {
		return nil, err
	}
	d.Password = NewSecret(password)
	if err := d.checkEngine(secret); err != nil {
		return nil, err
	}
	if err := d.readPort(secret); err != nil {
		return nil, err
	}
	if err := d.readTLS(secret); err != nil {
		return nil, err
	}
	return d, nil
}

func (d *Document) readFields(secret string, data Secret) error {
	notObject := FieldError("secret "+secret, "its value is no JSON object; wanted: an object with %s, %s and %s",
		d.dialect.Account, d.dialect.Password, d.dialect.Host)
	dec := json.NewDecoder(strings.NewReader(data.Reveal()))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return notObject
	}
	for dec.More() {
		t, err := dec.Token()
		name, ok := t.(string)
		if err != nil || !ok {
			return notObject
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return notObject
		}
		if _, twice := d.raw[name]; twice {
			return FieldError("secret "+secret, "its document has one field twice, and which one counts depends on the reader; keep one")
		}
		d.names, d.raw[name] = append(d.names, name), NewSecret(string(value))
	}
	if _, err := dec.Token(); err != nil {
		return notObject
	}
	if dec.More() {
		return notObject
	}
	return nil
}

func (d *Document) field(name string) (value json.RawMessage, there bool) {
	raw, there := d.raw[name]
	return json.RawMessage(raw.Reveal()), there
}

func (d *Document) text(secret, name string, into *string, required bool) error {
	if name == "" {
		return nil
	}
	raw, there := d.field(name)
	if !there || bytes.Equal(raw, []byte("null")) {
		if required {
			return FieldError("secret "+secret, "field %s is missing from its document", name)
		}
		return nil
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return FieldError("secret "+secret, "field %s of its document is not a string", name)
	}
	if required && *into == "" {
		return FieldError("secret "+secret, "field %s of its document is empty", name)
	}
	return nil
}

func (d *Document) checkEngine(secret string) error {
	var engine string
	// What RDS keeps of an admin is account and password, and nothing else.
	required := !d.dialect.HostOptional || d.Place.Host != ""
	if err := d.text(secret, d.dialect.Engine, &engine, required); err != nil || engine == "" && !required {
		return err
	}
	if d.dialect.Engine != "" && !slices.Contains(engines, strings.ToLower(engine)) {
		return FieldError("secret "+secret, "field %s of its document names a database that is not rotated here; known: %s",
			d.dialect.Engine, strings.Join(engines, ", "))
	}
	return nil
}

func (d *Document) readPort(secret string) error {
	d.Place.Port = defaultMySQLPort
	raw, there := d.field(d.dialect.Port)
	if !there || bytes.Equal(raw, []byte("null")) || bytes.Equal(raw, []byte(`""`)) {
		return nil
	}
	port, err := strconv.Atoi(strings.Trim(string(raw), `" `))
	if err != nil || port < 1 || port > 65535 {
		return FieldError("secret "+secret, "field %s of its document is no port; wanted: 1 to 65535", d.dialect.Port)
	}
	d.Place.Port = port
	return nil
}

func (d *Document) readTLS(secret string) error {
	d.Place.TLS = TLSPreferred
	raw, there := d.field(d.dialect.TLS)
	if !there || bytes.Equal(raw, []byte("null")) {
		return nil
	}
	switch strings.ToLower(strings.Trim(string(raw), `"`)) {
	case "true":
		d.Place.TLS = TLSRequired
	case "false":
		d.Place.TLS = TLSOff
	default:
		return FieldError("secret "+secret, "field %s of its document is neither true nor false; without the field, TLS is used if the server offers it", d.dialect.TLS)
	}
	return nil
}

// Pair is the pair of accounts that the document's one belongs to.
func (d *Document) Pair() Pair { return PairOf(d.Account, d.dialect.Suffix) }

// With gives the document's text with another account and password; everything else stays as it is.
func (d *Document) With(account string, password Secret) Secret {
	var b strings.Builder
	b.WriteByte('{')
	for i, name := range d.names {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(encode(name))
		b.WriteByte(':')
		switch name {
		case d.dialect.Account:
			b.Write(encode(account))
		case d.dialect.Password:
			b.Write(encode(password.Reveal()))
		default:
			b.WriteString(d.raw[name].Reveal())
		}
	}
	b.WriteByte('}')
	return NewSecret(b.String())
}

// As is the document of another account and password, for logins.
func (d *Document) As(account string, password Secret) *Document {
	other := *d
	other.Account, other.Password, other.Version = account, password, ""
	return &other
}

// SameBut says whether two documents differ in nothing but account and password, whatever the order of their fields and the space
// between them. A pending version that leads to another server, say, was not made by a rotation.
func (d *Document) SameBut(other *Document) bool {
	same := NewSecret("")
	return reflect.DeepEqual(decoded(d.With("", same)), decoded(other.With("", same)))
}

// decoded is a document's value, with its numbers as they are written.
func decoded(text Secret) (value any) {
	dec := json.NewDecoder(strings.NewReader(text.Reveal()))
	dec.UseNumber()
	_ = dec.Decode(&value) // it was made from a document that could be read
	return value
}

// encode writes a JSON string without escaping what HTML would want escaped.
func encode(s string) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string always encodes
	return bytes.TrimRight(b.Bytes(), "\n")
}
