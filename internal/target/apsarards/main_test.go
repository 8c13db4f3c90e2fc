package apsarards_test

import (
	"testing"

	"rotor/internal/cloudsim"
	"rotor/internal/wire/wiretest"
)

// TestMain gives the SDK the simulator's credentials and nothing else.
func TestMain(m *testing.M) {
	key := cloudsim.DefaultCredential
	wiretest.Main(m, wiretest.AlibabaCloud(key.AccessKeyID, key.Secret), children)
}
