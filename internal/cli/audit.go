package cli

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"rotor/internal/canary"
	"rotor/internal/devstack"
	"rotor/internal/rotation"
)

// audit searches everything that the demo leaves behind, beside store and database, for every password that existed.
func (d *demo) audit(ctx context.Context) (passwords int, found []canary.Finding, err error) {
	wanted, err := d.passwords()
	if err != nil {
		return 0, nil, err
	}
	sources, err := canary.Histories(ctx, d.client, d.Temporal.Namespace)
	if err != nil {
		return 0, nil, err
	}
	files, err := canary.Folder(filepath.Dir(d.Temporal.DatabaseFile))
	if err != nil {
		return 0, nil, err
	}
	var requests strings.Builder
	for _, r := range d.Cloud.Requests() {
		_, _ = fmt.Fprintf(&requests, "%s %v\n", r, r.Params)
	}
	sources = append(append(sources, files...),
		canary.Text("the worker's log", d.logged.String()), canary.Text("the database server's log", d.MySQL.Log()),
		canary.Text("the cloud's log of requests", requests.String()), canary.Text("what the demo printed", d.said.String()))
	found, err = canary.Search(wanted, sources...)
	return len(wanted), found, err
}

// passwords are all that existed: those of every version of every secret, the admins' among them, and the server's own.
func (d *demo) passwords() ([]rotation.Secret, error) {
	list := []rotation.Secret{rotation.NewSecret(d.MySQL.AdminPassword)}
	add := func(name string, dialect rotation.Dialect, value string) error {
		document, err := rotation.ParseDocument(name, dialect, rotation.NewSecret(value))
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(list, document.Password.Equal) {
			list = append(list, document.Password)
		}
		return nil
	}
	account := d.Cloud.Credential().Account
	kms := d.Cloud.KMS().In(account, devstack.Region)
	for _, name := range kms.Names() {
		secret, _ := kms.Secret(name)
		for _, v := range secret.Versions {
			if err := add(name, rotation.AlibabaDialect, v.Data); err != nil {
				return nil, err
			}
		}
	}
	aws := d.Cloud.SecretsManager().In(account, devstack.AWSRegion)
	for _, name := range aws.Names() {
		secret, _ := aws.Secret(name)
		for _, v := range secret.Versions {
			if err := add(name, rotation.AWSDialect, v.String); err != nil {
				return nil, err
			}
		}
	}
	return list, nil
}

// distinct is how many different passwords were found.
func distinct(found []canary.Finding) int {
	different := map[int]bool{}
	for _, f := range found {
		different[f.Password] = true
	}
	return len(different)
}
