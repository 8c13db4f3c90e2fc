package account_test

import (
	"testing"

	"rotor/internal/devstack/mysqld/mysqldtest"
)

func TestMain(m *testing.M) { mysqldtest.Main(m) }
