package wiring

import (
	"fmt"
	"time"

	"rotor/activities"
	"rotor/internal/config"
	"rotor/internal/pace"
	"rotor/internal/rotation"
	"rotor/internal/secretstore"
	"rotor/internal/secretstore/alibabakms"
	"rotor/internal/secretstore/awssecretsmanager"
)

// shelf is the stores that a worker has, and what its configuration says about them.
type shelf struct {
	stores  map[string]secretstore.Store
	named   map[string]config.NamedStore
	rules   map[string]activities.Rules
	allowed func(store, region, secret string) bool
	// at says in words where each store is.
	at map[string]string
	// writes is how fast each store may be written to.
	writes map[string]pace.Options
}

// providers make stores. A new kind of store is one line here.
var providers = map[string]func(config.Worker, config.NamedStore) (secretstore.Store, error){
	rotation.StoreAlibabaKMS: newAlibabaKMS,
	rotation.StoreAWS:        newAWS,
}

// newShelf makes a store of every provider, set up as the environment says, and those of the configuration file.
func newShelf(settings config.Worker) (*shelf, error) {
	if err := settings.PasswordPolicy().Check(); err != nil {
		return nil, fmt.Errorf("settings for new passwords (PASSWORD_LENGTH and others): %w", err)
	}
	further, err := settings.Stores()
	if err != nil {
		return nil, err
	}
	s := &shelf{
		stores: map[string]secretstore.Store{}, named: map[string]config.NamedStore{}, rules: map[string]activities.Rules{},
		at: map[string]string{}, writes: map[string]pace.Options{}, allowed: further.Allowed(),
	}
	for provider := range providers {
		own := config.NamedStore{Provider: provider, Passwords: settings.PasswordPolicy(), UsernameLimit: settings.UsernameLimit}
		own.WritesPerSecond, _ = settings.WritesPerSecond(provider)
		switch provider {
		case rotation.StoreAlibabaKMS:
			own.Endpoint, own.Network = settings.AlibabaKMSEndpoint, settings.AlibabaNetwork
		case rotation.StoreAWS:
			own.Endpoint = settings.AWSEndpoint
		}
		if err := s.add(settings, provider, own); err != nil {
			return nil, err
		}
	}
	for name, named := range further.Named {
		if named.Provider == rotation.StoreAlibabaKMS && named.Network == "" {
			named.Network = settings.AlibabaNetwork
		}
		if err := s.add(settings, name, named); err != nil {
			return nil, err
		}
		s.named[name] = named
	}
	return s, nil
}

func (s *shelf) add(settings config.Worker, name string, named config.NamedStore) error {
	made, err := providers[named.Provider](settings, named)
	if err != nil {
		return fmt.Errorf("store %s: %w", name, err)
	}
	s.stores[name] = made
	s.at[name] = placeOf(named)
	_, setting := settings.WritesPerSecond(named.Provider)
	if name != named.Provider {
		setting = "writesPerSecond of the store, else " + setting
	}
	s.writes[name] = pace.Options{PerSecond: named.WritesPerSecond, Workers: settings.QuotaWorkers, Setting: setting}
	s.rules[name] = activities.Rules{Passwords: named.Passwords, UsernameLimit: named.UsernameLimit, Region: named.Region}
	return nil
}

// paced gives the stores, whose writes wait for their turn. waited may be nil.
func (s *shelf) paced(waited func(store string, d time.Duration)) map[string]secretstore.Store {
	all := map[string]secretstore.Store{}
	for name, store := range s.stores {
		options := s.writes[name]
		if waited != nil {
			options.Waited = func(d time.Duration) { waited(name, d) }
		}
		all[name] = pace.Store(name, store, options)
	}
	return all
}

func newAlibabaKMS(settings config.Worker, s config.NamedStore) (secretstore.Store, error) {
	return alibabakms.New(alibabakms.Options{
		Network: s.Network, Endpoint: s.Endpoint, AllowHTTP: settings.AllowHTTP, SignatureValidity: settings.SignatureValidity,
		Profile: s.Profile, RoleARN: s.RoleARN, ExternalID: s.ExternalID,
	})
}

func newAWS(settings config.Worker, s config.NamedStore) (secretstore.Store, error) {
	return awssecretsmanager.New(awssecretsmanager.Options{
		Endpoint: s.Endpoint, AllowHTTP: settings.AllowHTTP, Profile: s.Profile, RoleARN: s.RoleARN, ExternalID: s.ExternalID,
	})
}
