package trial

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"rotor/internal/canary"
	"rotor/internal/rotation"
)

// Leaks searches everything that the trials have left behind, and further sources, for every password that there was. It says what was searched, too.
func (b *Bench) Leaks(ctx context.Context, further ...canary.Source) (found []canary.Finding, searched string, err error) {
	passwords, err := b.passwords()
	if err != nil {
		return nil, "", err
	}
	left, searched, err := b.Left(ctx)
	if err != nil {
		return nil, "", err
	}
	found, err = canary.Search(passwords, append(left, further...)...)
	return found, fmt.Sprintf("%d passwords in %s", len(passwords), searched), err
}

// Left is everything that the trials have left behind: histories and their payloads, the files of the Temporal server, the logs of all processes,
// the pages of workers' metrics, what commands print and what was shown to people. It says how much that is, too.
func (b *Bench) Left(ctx context.Context) (left []canary.Source, much string, err error) {
	histories, err := canary.Histories(ctx, b.Temporal, b.Stack.Temporal.Namespace)
	if err != nil {
		return nil, "", err
	}
	files, err := canary.Folder(filepath.Dir(b.Stack.Temporal.DatabaseFile))
	if err != nil {
		return nil, "", err
	}
	ofWorkers, pages, err := b.leftByWorkers(ctx)
	if err != nil {
		return nil, "", err
	}
	files = append(files, ofWorkers...)
	b.mu.Lock()
	secrets, shown := slices.Clone(b.secrets), strings.Join(b.written, "\n")
	b.mu.Unlock()
	said, err := b.commands(ctx, secrets)
	if err != nil {
		return nil, "", err
	}
	var requests strings.Builder
	for _, r := range b.Stack.Cloud.Requests() {
		fmt.Fprintf(&requests, "%s %v\n", r, r.Params)
	}
	left = slices.Concat(histories, files, said, []canary.Source{canary.Text("the cloud's log", requests.String()), canary.Text("what was shown", shown),
		canary.Text("the database server's log", b.Stack.MySQL.WholeLog())})
	return left, fmt.Sprintf("%d histories, %d files, %d of them pages of metrics, and the output of %d commands", len(histories), len(files), pages, len(said)), nil
}

// leftByWorkers are the logs of all workers and the pages of the metrics of those that live, and how many pages these are.
func (b *Bench) leftByWorkers(ctx context.Context) (files []canary.Source, pages int, err error) {
	b.started.Lock()
	workers := slices.Clone(b.workers)
	b.started.Unlock()
	for _, w := range workers {
		if err := b.keepMetrics(ctx, w); err != nil {
			return nil, 0, err
		}
	}
	left, err := b.left()
	for _, file := range left {
		if filepath.Ext(file) == metricsEnding {
			pages++
		}
		files = append(files, canary.Source{Name: filepath.Base(file), Read: func() ([]byte, error) { return os.ReadFile(file) }})
	}
	return files, pages, err
}

// passwords are all that there were: those of the secrets, those that came to the cloud and were refused, those that former accounts are retired with,
// strangers' and the bystander's.
func (b *Bench) passwords() (list []rotation.Secret, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	add := func(password rotation.Secret) {
		if !password.Empty() && !slices.ContainsFunc(list, password.Equal) {
			list = append(list, password)
		}
	}
	add(rotation.NewSecret(bystanderPassword))
	for _, password := range b.strangers {
		add(password)
	}
	for _, value := range b.Stack.Cloud.Values() {
		add(passwordIn(value))
	}
	for _, s := range b.secrets {
		add(s.Password)
		if s.AdminSecret != "" {
			add(s.AdminPassword)
		}
		versions, err := b.versions(s)
		if err != nil {
			return nil, err
		}
		for _, v := range versions {
			add(v.Password)
			if !b.retiring[s.Name] {
				continue
			}
			retired, err := rotation.RetiredPassword(v.Password, otherOf(s, v.Account))
			if err != nil {
				return nil, err
			}
			add(retired)
		}
	}
	return list, nil
}

// passwordIn is the password of a document, or what came as a password alone.
func passwordIn(value string) rotation.Secret {
	if v, err := versionOf("", value); err == nil {
		return v.Password
	}
	return rotation.NewSecret(value)
}
