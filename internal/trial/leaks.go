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

// Leaks searches everything that the trials have left behind for every password that there was: histories and their payloads, the files of
// the Temporal server, the logs of all processes, the pages of workers' metrics, what commands print and what was shown to people, and further
// sources. It says what was searched, too.
func (b *Bench) Leaks(ctx context.Context, further ...canary.Source) (found []canary.Finding, searched string, err error) {
	passwords, err := b.passwords()
	if err != nil {
		return nil, "", err
	}
	sources, err := canary.Histories(ctx, b.Temporal, b.Stack.Temporal.Namespace)
	if err != nil {
		return nil, "", err
	}
	histories := len(sources)
	files, err := canary.Folder(filepath.Dir(b.Stack.Temporal.DatabaseFile))
	if err != nil {
		return nil, "", err
	}
	b.started.Lock()
	workers := slices.Clone(b.workers)
	b.started.Unlock()
	b.mu.Lock()
	secrets := slices.Clone(b.secrets)
	b.mu.Unlock()
	for _, w := range workers {
		if err := b.keepMetrics(ctx, w); err != nil {
			return nil, "", err
		}
	}
	left, err := b.left()
	if err != nil {
		return nil, "", err
	}
	pages := 0
	for _, file := range left {
		if filepath.Ext(file) == metricsEnding {
			pages++
		}
		files = append(files, canary.Source{Name: filepath.Base(file), Read: func() ([]byte, error) { return os.ReadFile(file) }})
	}
	said, err := b.commands(ctx, secrets)
	if err != nil {
		return nil, "", err
	}
	var requests strings.Builder
	for _, r := range b.Stack.Cloud.Requests() {
		fmt.Fprintf(&requests, "%s %v\n", r, r.Params)
	}
	b.mu.Lock()
	shown := strings.Join(b.written, "\n")
	b.mu.Unlock()
	sources = append(append(sources, files...), canary.Text("the cloud's log", requests.String()), canary.Text("what was shown", shown),
		canary.Text("the database server's log", b.Stack.MySQL.Log()))
	sources = append(sources, said...)
	found, err = canary.Search(passwords, append(sources, further...)...)
	return found, fmt.Sprintf("%d passwords in %d histories, %d files, %d of them pages of metrics, and the output of %d commands", len(passwords), histories, len(files), pages,
		len(said)), err
}

// passwords are all that the secrets of this bench have had.
func (b *Bench) passwords() (list []rotation.Secret, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.secrets {
		list = append(list, s.Password)
		if s.AdminSecret != "" {
			list = append(list, s.AdminPassword)
		}
		versions, err := b.versions(s)
		if err != nil {
			return nil, err
		}
		for _, v := range versions {
			if !v.Password.Equal(s.Password) {
				list = append(list, v.Password)
			}
		}
	}
	return list, nil
}
