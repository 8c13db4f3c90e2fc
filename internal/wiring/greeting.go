package wiring

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"net/url"
	"slices"
	"strings"

	"go.temporal.io/sdk/client"

	"rotor/activities"
	"rotor/internal/config"
	"rotor/internal/rotation"
)

// msgStarted is the log's word that a worker polls.
const msgStarted = "rotor worker started"

// whatItServes is all that a worker is connected to, as keys and values of one record.
func whatItServes(options client.Options, settings config.Worker, shelf *shelf, steps *activities.Rotation, attributes []string) []any {
	said := []any{
		"Version", config.Version(), "Temporal", options.HostPort, "Namespace", options.Namespace, "TaskQueue", settings.TaskQueue,
		"Stores", strings.Join(shelf.places(), ", "), "Targets", strings.Join(slices.Sorted(maps.Keys(steps.Targets)), ", "),
		"SearchAttributes", cmp.Or(strings.Join(attributes, ", "), "none"),
	}
	if settings.AlibabaRDSEndpoint != "" {
		said = append(said, "RDS", place(settings.AlibabaRDSEndpoint))
	}
	if settings.Deployment != "" {
		said = append(said, "Deployment", settings.Deployment, "BuildID", settings.Version(), "Note", "does nothing until this version of the deployment is made current")
	}
	return said
}

// places says of each store where it is.
func (s *shelf) places() (places []string) {
	for _, name := range slices.Sorted(maps.Keys(s.at)) {
		places = append(places, name+" at "+s.at[name])
	}
	return places
}

// placeOf says where a store is.
func placeOf(s config.NamedStore) string {
	switch {
	case s.Endpoint != "":
		return place(s.Endpoint)
	case s.Provider == rotation.StoreAlibabaKMS:
		return "its " + s.Network + " endpoints"
	}
	return "the endpoints of AWS's configuration"
}

// place is a URL without what nobody should read in it.
func place(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return "an endpoint"
	}
	return u.Scheme + "://" + u.Host
}

// brief leaves out what the SDK says, and this program says with more to it: that a worker has started, that a step has failed.
type brief struct{ slog.Handler }

var said = map[string]bool{"Started Worker": true, "Stopped Worker": true, "Activity error.": true}

func (b brief) Handle(ctx context.Context, r slog.Record) error {
	if said[r.Message] && !b.Enabled(ctx, slog.LevelDebug) {
		return nil
	}
	return b.Handler.Handle(ctx, r)
}

func (b brief) WithAttrs(attrs []slog.Attr) slog.Handler { return brief{b.Handler.WithAttrs(attrs)} }
func (b brief) WithGroup(name string) slog.Handler       { return brief{b.Handler.WithGroup(name)} }
