package wiring

import (
	"fmt"

	"rotor/internal/alibabacloud"
	"rotor/internal/config"
	"rotor/internal/rotation"
	"rotor/internal/target"
	"rotor/internal/target/apsarards"
)

// storeTargets are the targets that stores of the configuration file have for themselves: the instances of an account are changed by whom
// its secrets are read and written by.
func storeTargets(settings config.Worker, stores map[string]config.NamedStore, logins apsarards.Prober) (map[string]map[string]target.Target, error) {
	all := map[string]map[string]target.Target{}
	for name, store := range stores {
		if store.Provider != rotation.StoreAlibabaKMS {
			continue
		}
		made, err := newApsara(settings, store, logins)
		if err != nil {
			return nil, fmt.Errorf("target %s of store %s: %w", rotation.TargetApsaraRDS, name, err)
		}
		all[name] = map[string]target.Target{rotation.TargetApsaraRDS: made}
	}
	return all, nil
}

func newApsara(settings config.Worker, s config.NamedStore, logins apsarards.Prober) (*apsarards.Target, error) {
	return apsarards.New(apsarards.Options{
		Network: s.Network, Endpoint: settings.AlibabaRDSEndpoint, AllowHTTP: settings.AllowHTTP, Wait: settings.StepTimeout / 3, Logins: logins,
		Identity: alibabacloud.Identity{Profile: s.Profile, RoleARN: s.RoleARN, ExternalID: s.ExternalID},
	})
}
