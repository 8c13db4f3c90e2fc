package trial

import (
	"context"
	"fmt"

	"rotor/internal/rotation"
)

// bystander is an account of the bench's server that no secret is of.
const bystander = "bystander"

const bystanderPassword = "By-0815-stander"

// standBy makes the bystander, and notes what accounts there are before any secret is.
func (b *Bench) standBy(ctx context.Context) error {
	for _, statement := range []string{"CREATE USER '" + bystander + "'@'%' IDENTIFIED BY '" + bystanderPassword + "'", "GRANT SELECT ON *.* TO '" + bystander + "'@'%'"} {
		if _, err := b.Stack.MySQL.DB().ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("make account %s: %w", bystander, err)
		}
	}
	var err error
	b.atFirst, err = b.accounts(ctx)
	return err
}

// Aside says what is not as it was of that which no rotation was about: whether the bystander still logs in, and accounts that belong to no secret.
func (b *Bench) Aside(ctx context.Context) (broken []string, err error) {
	in, err := b.logsIn(ctx, Version{Account: bystander, Password: rotation.NewSecret(bystanderPassword)})
	if err != nil {
		return nil, err
	}
	if !in {
		broken = append(broken, "the bystander no longer logs in")
	}
	expected := map[string]bool{}
	for name := range b.atFirst {
		expected[name] = true
	}
	b.mu.Lock()
	for _, s := range b.secrets {
		for _, account := range accountsOf(s) {
			expected[account+"@%"] = true
		}
	}
	b.mu.Unlock()
	now, err := b.accounts(ctx)
	for name := range now {
		if !expected[name] {
			broken = append(broken, "nobody knows whose account "+name+" is")
		}
	}
	for name := range b.atFirst {
		if !now[name] {
			broken = append(broken, "account "+name+" is gone")
		}
	}
	return broken, err
}

// accounts are all accounts of the server, as user@host.
func (b *Bench) accounts(ctx context.Context) (map[string]bool, error) {
	rows, err := b.Stack.MySQL.DB().QueryContext(ctx, "SELECT CONCAT(User, '@', Host) FROM mysql.user")
	if err != nil {
		return nil, fmt.Errorf("look at all accounts: %w", err)
	}
	defer func() { _ = rows.Close() }()
	all := map[string]bool{}
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		all[name] = true
	}
	return all, rows.Err()
}
