package apsarards_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	sim "rotor/internal/cloudsim/apsarards"
	"rotor/internal/rotation"
	"rotor/internal/target"
	"rotor/internal/target/apsarards"
)

func TestNewRefusesSettings(t *testing.T) {
	for name, c := range map[string]struct {
		options apsarards.Options
		words   []string
	}{
		"network":    {apsarards.Options{Network: "wan"}, []string{"ROTOR_ALIBABA_NETWORK", `"wan"`, "vpc, public"}},
		"plain http": {apsarards.Options{Endpoint: "http://rds.example.com"}, []string{"ROTOR_ALIBABA_RDS_ENDPOINT", "ROTOR_ALLOW_HTTP=1"}},
		"no url":     {apsarards.Options{Endpoint: "rds.example.com"}, []string{"ROTOR_ALIBABA_RDS_ENDPOINT", "https://"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := apsarards.New(c.options)
			requireError(t, err, rotation.Permanent, "", c.words...)
		})
	}
}

func TestTraits(t *testing.T) {
	made, err := apsarards.New(apsarards.Options{})
	require.NoError(t, err)
	require.Equal(t, target.Traits{APIAdmin: true}, made.Traits())
}

// TestManyAtOnce is for the race detector: the SDK's clients may not be shared.
func TestManyAtOnce(t *testing.T) {
	b := start(t, sim.Instance{Accounts: append(numbered("app", 20), app())})
	var group errgroup.Group
	for i := range 20 {
		group.Go(func() error {
			name := fmt.Sprintf("app%d_rt", i)
			session, err := b.Lock(t.Context(), target.Login{Place: place, Version: version}, rotation.PairOf(name, rotation.SuffixAlibaba))
			if err != nil {
				return err
			}
			if _, err := session.Create(t.Context(), name, "app", rotation.NewSecret(fmt.Sprintf("%s%d", newWord, i))); err != nil {
				return err
			}
			if !b.server.Login(name, fmt.Sprintf("%s%d", newWord, i)) {
				return fmt.Errorf("account %s has the password of another one", name)
			}
			return nil
		})
	}
	require.NoError(t, group.Wait())
}
