package trial

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/go-sql-driver/mysql"

	"rotor/internal/cloudsim/awssecretsmanager"
	"rotor/internal/devstack"
	"rotor/internal/rotation"
)

// Picture is what there is of a secret: its versions, which of them log in, and its accounts. It is taken at the store and at the database
// themselves, past everything that could go wrong between them and a worker.
type Picture struct {
	Versions []Version
	// Accounts are those of the secret's pair and its admin that exist, and a bystander, with what each may do.
	Accounts map[string][]string
}

// Version is one version of a secret.
type Version struct {
	ID       string
	Stages   []string
	Account  string
	Password rotation.Secret
	// Rest is its document without account and password.
	Rest string
	// LogsIn says whether its credential works.
	LogsIn bool
}

// Holder gives the version that carries a stage, nil if none does.
func (p Picture) Holder(stage rotation.Stage) *Version {
	for i, v := range p.Versions {
		if slices.ContainsFunc(v.Stages, func(s string) bool { return stages[s] == stage }) {
			return &p.Versions[i]
		}
	}
	return nil
}

// Find gives the version of an id, nil if there is none.
func (p Picture) Find(id string) *Version {
	i := slices.IndexFunc(p.Versions, func(v Version) bool { return v.ID == id })
	if i < 0 {
		return nil
	}
	return &p.Versions[i]
}

var stages = map[string]rotation.Stage{
	"ACSCurrent": rotation.Current, "ACSPending": rotation.Pending, "ACSPrevious": rotation.Previous,
	awssecretsmanager.Current: rotation.Current, awssecretsmanager.Pending: rotation.Pending, awssecretsmanager.Previous: rotation.Previous,
}

// Look takes a picture.
func (b *Bench) Look(ctx context.Context, s devstack.Secret) (Picture, error) {
	p := Picture{Accounts: map[string][]string{}}
	var err error
	if p.Versions, err = b.versions(s); err != nil {
		return p, err
	}
	for i := range p.Versions {
		if p.Versions[i].LogsIn, err = b.logsIn(ctx, p.Versions[i]); err != nil {
			return p, err
		}
	}
	for _, account := range append(accountsOf(s), bystander) {
		may, exists, err := b.privileges(ctx, account)
		if err != nil {
			return p, err
		}
		if exists {
			p.Accounts[account] = may
		}
	}
	return p, nil
}

// accountsOf are the accounts that a secret can have.
func accountsOf(s devstack.Secret) []string {
	accounts := []string{s.Account, s.Account + rotation.SuffixAlibaba, s.Account + rotation.SuffixAWS}
	if s.AdminAccount != "" {
		accounts = append(accounts, s.AdminAccount)
	}
	return accounts
}

func (b *Bench) versions(s devstack.Secret) (list []Version, err error) {
	add := func(id, document string, stages []string) {
		v, parsed := versionOf(id, document)
		err = errors.Join(err, parsed)
		v.Stages = stages
		list = append(list, v)
	}
	account := b.Stack.Cloud.Credential().Account
	if s.Store == rotation.StoreAWS {
		found, _ := b.Stack.Cloud.SecretsManager().In(account, s.Region).Secret(s.Name)
		for _, v := range found.Versions {
			add(v.ID, v.String, v.Stages)
		}
		return list, err
	}
	found, _ := b.Stack.Cloud.KMS().In(account, s.Region).Secret(s.Name)
	for _, v := range found.Versions {
		add(v.ID, v.Data, v.Stages)
	}
	return list, err
}

// fields are the names of account and password in the stores' documents.
var fields = [][2]string{{"AccountName", "AccountPassword"}, {"username", "password"}}

func versionOf(id, document string) (Version, error) {
	v := Version{ID: id}
	var all map[string]any
	if json.Unmarshal([]byte(document), &all) != nil {
		return v, fmt.Errorf("version %s is no JSON document", id)
	}
	for _, names := range fields {
		if account, ok := all[names[0]].(string); ok {
			password, _ := all[names[1]].(string)
			v.Account, v.Password = account, rotation.NewSecret(password)
			delete(all, names[0])
			delete(all, names[1])
		}
	}
	rest, err := json.Marshal(all) // in the order of names
	v.Rest = string(rest)
	return v, err
}

const (
	erAccessDenied = 1045
	erNoSuchGrant  = 1141
	erAccountState = 1396 // there is no such account
)

// logsIn logs in as a client would, at the server's own address.
func (b *Bench) logsIn(ctx context.Context, v Version) (bool, error) {
	db, err := b.Stack.MySQL.Open(v.Account, v.Password.Reveal(), "")
	if err != nil {
		return false, fmt.Errorf("log in as %s: no connector", v.Account)
	}
	defer func() { _ = db.Close() }()
	err = db.PingContext(ctx)
	if isNumber(err, erAccessDenied) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("log in as %s: %w", v.Account, err)
	}
	return true, nil
}

func isNumber(err error, number uint16) bool {
	e, ok := errors.AsType[*mysql.MySQLError](err)
	return ok && e.Number == number
}

// identified is how servers show an account's password in its grants.
var identified = regexp.MustCompile(` IDENTIFIED (BY|VIA|WITH) [^']*'[^']*'( AS '[^']*'| USING '[^']*')?`)

// privileges are what an account may do, without its name and its password.
func (b *Bench) privileges(ctx context.Context, account string) (may []string, exists bool, err error) {
	rows, err := b.Stack.MySQL.DB().QueryContext(ctx, "SHOW GRANTS FOR '"+account+"'@'%'")
	if isNumber(err, erNoSuchGrant) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("look at the privileges of account %s: %w", account, err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			return nil, false, err
		}
		line = identified.ReplaceAllString(line, "")
		may = append(may, strings.NewReplacer("'"+account+"'", "?", "`"+account+"`@", "?@").Replace(line))
	}
	if isNumber(rows.Err(), erNoSuchGrant) {
		return nil, false, nil
	}
	slices.Sort(may)
	return may, true, rows.Err()
}

// current gives the current version of a trial's secret.
func (t *Trial) current() (*Version, error) {
	versions, err := t.versions(t.Secret)
	if err != nil {
		return nil, err
	}
	if v := (Picture{Versions: versions}).Holder(rotation.Current); v != nil {
		return v, nil
	}
	return nil, errors.New("no version is current")
}

// tryClients logs in as two clients do: one that reads the secret, and one that cached what was current when the rotation began. With one
// account both can be locked out for a moment, so there it is tried at the end only.
func (t *Trial) tryClients(at string) {
	if t.Outset.Versions == nil || t.Kind.StrategyOf(t.Secret) == rotation.SingleUser {
		return
	}
	reads, err := t.current()
	if err != nil {
		t.lock(Lockout{Text: fmt.Sprintf("a client that reads the secret, after %s: %s", at, err)})
		return
	}
	clients := map[string]Version{"a client that reads the secret": *reads}
	// What is to be retired at once is nobody's to go on with.
	if retiring := t.Kind.Retires && reads.ID != t.Outset.Holder(rotation.Current).ID; !retiring {
		clients["a client that cached its credential"] = *t.Outset.Holder(rotation.Current)
	}
	for who, v := range clients {
		switch in, err := t.logsIn(context.Background(), v); {
		case err != nil:
			t.lock(Lockout{v.Account, v.ID, fmt.Sprintf("%s, after %s: %s", who, at, err)})
		case !in:
			t.lock(Lockout{v.Account, v.ID, fmt.Sprintf("%s is refused as %s with version %s, after %s", who, v.Account, v.ID, at)})
		}
	}
}

// Lockout is a client that could not log in with a version of an account; both are "" if no version was current.
type Lockout struct{ Account, Version, Text string }

func (l Lockout) String() string { return l.Text }

func (t *Trial) lock(out Lockout) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lockedOut = append(t.lockedOut, out)
}

// LockedOut says when a client could not log in.
func (t *Trial) LockedOut() []Lockout {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.lockedOut)
}
