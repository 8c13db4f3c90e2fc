package scale

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"rotor/internal/cloudsim/alibabakms"
	"rotor/internal/devstack"
)

// A secret of a fleet is as cheap as can be: an account on the one server, with rights in a database that all of them share, and one admin for all.
type secret struct {
	name     string
	password string
	// broken: the document has another password than the account.
	broken bool
}

const (
	adminSecret = "fleet-admin"
	adminName   = "fleet_adm"
	database    = "fleet"
	seedAtOnce  = 4
)

// seed makes secrets, of which so many in a hundred are broken.
func seed(ctx context.Context, stack *devstack.Stack, n, brokenPercent int) ([]secret, error) {
	password := rand.Text()
	for _, statement := range []string{
		"CREATE DATABASE " + database,
		fmt.Sprintf("CREATE USER '%s'@'%%' IDENTIFIED BY '%s'", adminName, password),
		fmt.Sprintf("GRANT CREATE USER ON *.* TO '%s'@'%%'", adminName),
		fmt.Sprintf("GRANT SELECT ON mysql.* TO '%s'@'%%'", adminName),
		fmt.Sprintf("GRANT SELECT, INSERT ON %s.* TO '%s'@'%%' WITH GRANT OPTION", database, adminName),
	} {
		if _, err := stack.MySQL.DB().ExecContext(ctx, statement); err != nil {
			return nil, fmt.Errorf("make the admin account: %w", err)
		}
	}
	put(stack, adminSecret, map[string]any{"AccountName": adminName, "AccountPassword": password})
	secrets := make([]secret, n)
	// Every so many-th is broken, and one is where that would be none.
	every := n
	if brokenPercent > 0 {
		every = max(min(n, 100/brokenPercent), 1)
	}
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(seedAtOnce)
	for i := range secrets {
		s := &secrets[i]
		*s = secret{name: fmt.Sprintf("f%05d", i), password: rand.Text(), broken: brokenPercent > 0 && i%every == every-1}
		group.Go(func() error {
			for _, statement := range []string{
				fmt.Sprintf("CREATE USER '%s'@'%%' IDENTIFIED BY '%s'", s.name, s.password),
				fmt.Sprintf("GRANT SELECT, INSERT ON %s.* TO '%s'@'%%'", database, s.name),
			} {
				if _, err := stack.MySQL.DB().ExecContext(within, statement); err != nil {
					return fmt.Errorf("make account %s: %w", s.name, err)
				}
			}
			has := s.password
			if s.broken {
				has = rand.Text()
			}
			put(stack, s.name, map[string]any{"AccountName": s.name, "AccountPassword": has, "DBName": database, "MasterSecret": adminSecret})
			return nil
		})
	}
	return secrets, group.Wait()
}

// put stores a secret that is older than any grace time.
func put(stack *devstack.Stack, name string, document map[string]any) {
	document["Endpoint"], document["Port"] = stack.MySQL.Host, stack.MySQL.Port
	data, err := json.Marshal(document)
	if err != nil {
		panic(err) // strings and a number
	}
	created := time.Now().Add(-90 * 24 * time.Hour)
	stack.Cloud.KMS().In(stack.Cloud.Credential().Account, devstack.Region).Put(alibabakms.Secret{
		Name: name, Type: alibabakms.Generic, Created: created, Updated: created,
		Versions: []alibabakms.Version{{ID: strings.ToLower(rand.Text()), Data: string(data), Stages: []string{alibabakms.Current}, Created: created}},
	})
}

// audit says what is wrong with a secret after a fleet: all of them log in with their current version, and at most one was written.
func (s *secret) audit(ctx context.Context, stack *devstack.Stack) string {
	stored, found := stack.Cloud.KMS().In(stack.Cloud.Credential().Account, devstack.Region).Secret(s.name)
	if !found {
		return "it is gone"
	}
	if want := map[bool]int{true: 1, false: 2}[s.broken]; len(stored.Versions) != want {
		return fmt.Sprintf("it has %d versions; wanted: %d", len(stored.Versions), want)
	}
	if s.broken {
		return ""
	}
	var document struct{ AccountName, AccountPassword string }
	if err := json.Unmarshal([]byte(stored.Holder(alibabakms.Current).Data), &document); err != nil {
		return "its current version is no document"
	}
	db, err := stack.MySQL.Open(document.AccountName, document.AccountPassword, database)
	if err == nil {
		err = db.PingContext(ctx)
		_ = db.Close() // a login is all that it was for
	}
	if err != nil {
		return "its current version does not log in as " + document.AccountName
	}
	return ""
}

// manifest is that of all of them.
func manifest(secrets []secret) string {
	var text strings.Builder
	fmt.Fprintf(&text, "defaults: {region: %s, schedule: {every: 30d}, labels: {target: %s}}\nrotations:\n", devstack.Region, database)
	for _, s := range secrets {
		fmt.Fprintf(&text, "  - {secret: %s}\n", s.name)
	}
	return text.String()
}
