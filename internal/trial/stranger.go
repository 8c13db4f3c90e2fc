package trial

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/go-sql-driver/mysql"
	"github.com/google/uuid"

	"rotor/internal/cloudsim/alibabakms"
	"rotor/internal/cloudsim/awssecretsmanager"
	"rotor/internal/devstack"
	"rotor/internal/rotation"
)

// Stranger is somebody who works on the secret while a rotation does, and knows nothing of it: a person at a console, or a second rotator
// that follows the protocol of the recipes. What they do takes no time, as far as the rotation can see.
type Stranger struct {
	Name string
	// Stage is what they put a version of theirs under; "" is that they write none.
	Stage rotation.Stage
	// Sets: they give an account another password, that of their version if they write one.
	Sets bool
	// Keeps: the account goes on taking the password that it had first, which takes a server with second passwords.
	Keeps bool
	// TakesOff: they take the pending stage off.
	TakesOff bool
}

// Strangers are all that there are.
var Strangers = []Stranger{
	{Name: "a person makes a version current", Stage: rotation.Current},
	{Name: "a person puts a version pending", Stage: rotation.Pending},
	{Name: "a person takes the pending stage off", TakesOff: true},
	{Name: "a person changes the password", Sets: true},
	{Name: "a person changes the password and keeps the one before", Sets: true, Keeps: true},
	{Name: "another rotator puts a version and sets it", Stage: rotation.Pending, Sets: true},
	{Name: "another rotator rotates", Stage: rotation.Current, Sets: true},
}

// Tells says whether it makes a difference to the rotation that they act right before this effect, and not before one that comes earlier:
// it is one that would notice what they do, or that changes something beside it.
func (s Stranger) Tells(e Effect) bool {
	stages, accounts := s.Stage != "" || s.TakesOff, s.Sets
	return stages && (looksAtStages(e) || changesStore(e)) || accounts && (logsIn(e) || changesStore(e)) || changesAccount(e)
}

// Comes says whether they come to a kind of secret.
func (s Stranger) Comes(k Kind) bool { return !s.Keeps || k.Strategy == rotation.DualPassword }

// Meddling is what a stranger has done.
type Meddling struct {
	Stranger
	// Version is theirs, "" if they wrote none, and Account is what they changed, "" if none.
	Version, Account string
	// Left is how things were when they had done it.
	Left Picture
}

// Meddle lets a stranger act; nil where there is nothing for them to act on.
func (t *Trial) Meddle(ctx context.Context, who Stranger) (*Meddling, error) {
	done := &Meddling{Stranger: who}
	before, err := t.Bench.Look(ctx, t.Secret)
	if err != nil {
		return nil, err
	}
	current := before.Holder(rotation.Current)
	if current == nil {
		return nil, errors.New("no version is current")
	}
	account, password := current.Account, current.Password
	if who.Sets || who.Stage == rotation.Pending {
		account, password = t.other(current.Account), rotation.NewSecret(rand.Text()+"-0_a")
		t.Bench.mu.Lock()
		t.strangers = append(t.strangers, password)
		t.Bench.mu.Unlock()
	}
	if who.TakesOff {
		if before.Holder(rotation.Pending) == nil {
			return nil, nil
		}
		return t.left(ctx, done, t.restage(rotation.Pending, ""))
	}
	if who.Stage != "" {
		done.Version = uuid.NewString()
		if err := t.write(done.Version, account, password); err != nil {
			return nil, err
		}
		// A recipe's version is pending before it is current, and a person puts theirs under one stage.
		if who.Sets {
			err = t.restage(rotation.Pending, done.Version)
		}
		if err == nil && who.Stage == rotation.Current && who.Sets && t.Secret.Store != rotation.StoreAWS {
			err = t.restage(rotation.Pending, "")
		}
		if err = errors.Join(err, t.restage(who.Stage, done.Version)); err != nil {
			return nil, err
		}
	}
	if who.Sets {
		_, exists := before.Accounts[account]
		if !exists && who.Stage == "" {
			return nil, nil
		}
		statement := "ALTER USER"
		if !exists {
			statement = "CREATE USER"
		}
		after := ""
		if who.Keeps {
			after = " RETAIN CURRENT PASSWORD"
		}
		done.Account = account
		if _, err := t.Stack.MySQL.DB().ExecContext(ctx, statement+" '"+account+"'@'%' IDENTIFIED BY '"+password.Reveal()+"'"+after); err != nil {
			// Not the error itself: a server quotes the statement, with the password.
			if refused, ok := errors.AsType[*mysql.MySQLError](err); ok {
				return nil, fmt.Errorf("a stranger changes account %s: error %d", account, refused.Number)
			}
			return nil, fmt.Errorf("a stranger changes account %s: no answer", account)
		}
	}
	return t.left(ctx, done, nil)
}

// left takes the picture of what a stranger has left.
func (t *Trial) left(ctx context.Context, done *Meddling, err error) (*Meddling, error) {
	if err == nil {
		done.Left, err = t.Bench.Look(ctx, t.Secret)
	}
	return done, err
}

// other is the account that the next rotation is of, by the protocol of the recipes.
func (t *Trial) other(current string) string {
	if t.Kind.StrategyOf(t.Secret) != rotation.DualAccount {
		return current
	}
	return otherOf(t.Secret, current)
}

// otherOf is the other account of a secret's pair.
func otherOf(s devstack.Secret, account string) string {
	if account != s.Account {
		return s.Account
	}
	if s.Store == rotation.StoreAWS {
		return account + rotation.SuffixAWS
	}
	return account + rotation.SuffixAlibaba
}

// write adds a version of no stage: the current one's document with another credential.
func (t *Trial) write(id, account string, password rotation.Secret) error {
	return t.edit(func(versions []labelled) (*labelled, error) {
		i := slices.IndexFunc(versions, func(v labelled) bool {
			return slices.ContainsFunc(*v.stages, func(s string) bool { return stages[s] == rotation.Current })
		})
		var document map[string]any
		if err := json.Unmarshal([]byte(versions[i].document), &document); err != nil {
			return nil, errors.New("the current version is no JSON document")
		}
		for _, names := range fields {
			if _, has := document[names[0]].(string); has {
				document[names[0]], document[names[1]] = account, password.Reveal()
			}
		}
		text, err := json.Marshal(document)
		return &labelled{id: id, document: string(text)}, err
	})
}

// restage puts a stage on a version, or takes it off whatever has it, and keeps the version that was current as the previous one.
func (t *Trial) restage(stage rotation.Stage, id string) error {
	return t.edit(func(versions []labelled) (*labelled, error) {
		name := func(s rotation.Stage) string {
			if t.Secret.Store == rotation.StoreAWS {
				return map[rotation.Stage]string{rotation.Current: awssecretsmanager.Current, rotation.Pending: awssecretsmanager.Pending, rotation.Previous: awssecretsmanager.Previous}[s]
			}
			return map[rotation.Stage]string{rotation.Current: alibabakms.Current, rotation.Pending: "ACSPending", rotation.Previous: "ACSPrevious"}[s]
		}
		for _, v := range versions {
			was := slices.Contains(*v.stages, name(stage))
			*v.stages = slices.DeleteFunc(*v.stages, func(s string) bool {
				return s == name(stage) || stage == rotation.Current && s == name(rotation.Previous)
			})
			switch {
			case v.id == id:
				*v.stages = append(*v.stages, name(stage))
			case was && stage == rotation.Current:
				*v.stages = append(*v.stages, name(rotation.Previous))
			}
		}
		return nil, nil
	})
}

// labelled is a version as both stores have it.
type labelled struct {
	id, document string
	stages       *[]string
}

// edit changes the versions' stages, and adds a version if there is one to add.
func (t *Trial) edit(change func([]labelled) (added *labelled, err error)) error {
	account := t.Stack.Cloud.Credential().Account
	var versions []labelled
	if t.Secret.Store == rotation.StoreAWS {
		region := t.Stack.Cloud.SecretsManager().In(account, t.Secret.Region)
		secret, _ := region.Secret(t.Secret.Name)
		for i := range secret.Versions {
			versions = append(versions, labelled{secret.Versions[i].ID, secret.Versions[i].String, &secret.Versions[i].Stages})
		}
		added, err := change(versions)
		if added != nil {
			secret.Versions = append(secret.Versions, awssecretsmanager.Version{ID: added.id, String: added.document})
		}
		region.Put(secret)
		return err
	}
	region := t.Stack.Cloud.KMS().In(account, t.Secret.Region)
	secret, _ := region.Secret(t.Secret.Name)
	for i := range secret.Versions {
		versions = append(versions, labelled{secret.Versions[i].ID, secret.Versions[i].Data, &secret.Versions[i].Stages})
	}
	added, err := change(versions)
	if added != nil {
		secret.Versions = append(secret.Versions, alibabakms.Version{ID: added.id, Data: added.document})
	}
	region.Put(secret)
	return err
}
