package cli

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"rotor/internal/canary"
	"rotor/internal/cloudsim/alibabakms"
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
	seen := map[rotation.Secret]bool{list[0]: true}
	region := d.Cloud.KMS().In(d.Cloud.Credential().Account, devstack.Region)
	for _, name := range region.Names() {
		secret, _ := region.Secret(name)
		for _, v := range secret.Versions {
			password, err := passwordOf(name, v)
			if err != nil {
				return nil, err
			}
			if !seen[password] {
				seen[password] = true
				list = append(list, password)
			}
		}
	}
	return list, nil
}

func passwordOf(name string, v alibabakms.Version) (rotation.Secret, error) {
	document, err := rotation.ParseDocument(name, rotation.AlibabaDialect, rotation.NewSecret(v.Data))
	if err != nil {
		return rotation.Secret{}, err
	}
	return document.Password, nil
}

// distinct is how many different passwords were found.
func distinct(found []canary.Finding) int {
	different := map[int]bool{}
	for _, f := range found {
		different[f.Password] = true
	}
	return len(different)
}
