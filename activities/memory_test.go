package activities

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rotor/internal/secretstore"
)

type closing struct {
	closed atomic.Int64
}

func (c *closing) Close() { c.closed.Add(1) }

func TestMemoryForgets(t *testing.T) {
	const long = time.Hour
	at := func(version string) place { return place{"store", "region", "secret", version} }
	t.Run("nothing is kept by none", func(t *testing.T) {
		var none *Memory
		none.keep(at("v1"), secretstore.Value{})
		_, has := none.kept(at("v1"))
		require.False(t, has)
		s := &closing{}
		none.leave(at("v1"), "db", s)
		require.Equal(t, int64(1), s.closed.Load())
		require.Nil(t, none.take(at("v1")))
		none.drop(at("v1"))
	})
	t.Run("one version of one secret", func(t *testing.T) {
		m := &Memory{For: long, Limit: 10}
		m.keep(at("v1"), secretstore.Value{Version: "v1"})
		v, has := m.kept(at("v1"))
		require.True(t, has)
		require.Equal(t, "v1", v.Version)
		for _, other := range []place{at("v2"), {"store", "region", "other", "v1"}, {"store", "elsewhere", "secret", "v1"}, {"another", "region", "secret", "v1"}} {
			_, has := m.kept(other)
			require.False(t, has, other)
		}
		m.drop(at("v1"))
		_, has = m.kept(at("v1"))
		require.False(t, has)
	})
	t.Run("no more than the limit", func(t *testing.T) {
		m := &Memory{For: long, Limit: 1}
		m.keep(at("v1"), secretstore.Value{})
		m.keep(at("v2"), secretstore.Value{})
		_, first := m.kept(at("v1"))
		_, second := m.kept(at("v2"))
		require.True(t, first)
		require.False(t, second)
	})
	t.Run("by itself", func(t *testing.T) {
		m := &Memory{For: time.Millisecond, Limit: 10}
		m.keep(at("v1"), secretstore.Value{})
		s := &closing{}
		m.leave(at("v1"), "db", s)
		require.Eventually(t, func() bool {
			_, has := m.kept(at("v1"))
			return !has && s.closed.Load() == 1
		}, 30*time.Second, time.Millisecond)
		require.Nil(t, m.take(at("v1")))
	})
	t.Run("a session is left once", func(t *testing.T) {
		m := &Memory{For: long, Limit: 10}
		s := &closing{}
		m.leave(at("v1"), "db", s)
		require.Equal(t, s, m.take(at("v1")))
		require.Nil(t, m.take(at("v1")))
		require.Zero(t, s.closed.Load(), "whoever took it closes it")
		m.leave(at("v1"), "db", s)
		m.leave(at("v1"), "db", &closing{})
		require.Equal(t, int64(1), s.closed.Load(), "another one took its place")
	})
	t.Run("no more sessions at an address than the limit", func(t *testing.T) {
		m := &Memory{For: long, Sessions: 1}
		first, second, elsewhere, third := &closing{}, &closing{}, &closing{}, &closing{}
		m.leave(at("v1"), "db", first)
		m.leave(at("v2"), "db", second)
		m.leave(at("v3"), "another", elsewhere)
		require.Equal(t, []int64{0, 1, 0}, []int64{first.closed.Load(), second.closed.Load(), elsewhere.closed.Load()})
		require.Nil(t, m.take(at("v2")))
		require.Equal(t, first, m.take(at("v1")))
		m.leave(at("v2"), "db", third)
		require.Equal(t, third, m.take(at("v2")))
	})
}
