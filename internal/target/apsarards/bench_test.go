package apsarards_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rotor/internal/cloudsim"
	sim "rotor/internal/cloudsim/apsarards"
	"rotor/internal/rotation"
	"rotor/internal/target"
	"rotor/internal/target/apsarards"
)

const (
	region   = "cn-hangzhou"
	oldWord  = "Old-Pa55-word"
	newWord  = "New-Pa55-word"
	version  = "0b1c9e2a-7f53-4d0e-9a55-1f4a4c9d7e10"
	mark     = "rotor-" + version
	patience = 20 * time.Second
)

var (
	place = rotation.Place{Instance: "rm-1", Region: region}
	pair  = rotation.Pair{Base: "app", Suffixed: "app_rt"}
)

// bench is a target in front of a simulated API, with a server behind that only remembers.
type bench struct {
	*apsarards.Target
	cloud     *cloudsim.Cloud
	instances sim.Region
	server    *sim.MemoryServer
	logins    *logins
	url       string
}

// start has an instance rm-1. What it does not say is as a good instance has it: account app may read and write shop, and read blog.
func start(t *testing.T, instance sim.Instance, change ...func(*apsarards.Options)) *bench {
	t.Helper()
	b := &bench{cloud: cloudsim.New(cloudsim.Options{}), server: &sim.MemoryServer{}}
	var err error
	b.url, err = b.cloud.Start("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.cloud.Close()) })
	b.instances = b.cloud.ApsaraRDS().In(cloudsim.DefaultCredential.Account, region)
	instance.ID, instance.Server = "rm-1", b.server
	if instance.Host == "" {
		instance.Host, instance.Port = "rm-1.example", 3306
	}
	if instance.Databases == nil {
		instance.Databases = []string{"blog", "shop", "wiki"}
	}
	if instance.Accounts == nil {
		instance.Accounts = []sim.Account{app()}
	}
	require.NoError(t, b.instances.PutInstance(t.Context(), instance))
	b.logins = &logins{server: b.server, at: "rm-1.example:3306"}
	options := apsarards.Options{Endpoint: b.url, Wait: 300 * time.Millisecond, Logins: b.logins}
	for _, c := range change {
		c(&options)
	}
	b.Target, err = apsarards.New(options)
	require.NoError(t, err)
	return b
}

func app() sim.Account {
	return sim.Account{Name: "app", Password: oldWord, Privileges: map[string]string{"shop": "ReadWrite", "blog": "ReadOnly"}}
}

// partner is account app_rt with privileges.
func partner(privileges map[string]string) sim.Account {
	return sim.Account{Name: "app_rt", Password: oldWord, Privileges: privileges}
}

// logins logs in to the server at the one address where it listens.
type logins struct {
	server *sim.MemoryServer
	at     string
	// code, if set, is what every login comes to.
	code string
	// servers names what listens at other addresses; their accounts are the same.
	servers map[string]string
	seen    []string
}

func (l *logins) Probe(_ context.Context, login target.Login) target.Proof {
	address := login.Place.Address()
	l.seen = append(l.seen, login.Account+"@"+address)
	server := map[bool]string{true: "one"}[address == l.at]
	if other := l.servers[address]; other != "" {
		server = other
	}
	code := l.code
	if server == "" {
		code = "unknown host"
	}
	switch {
	case code != "":
		return target.Proof{Answer: rotation.Unknown, Code: code, Err: rotation.Errorf(rotation.Retryable, "no login").WithCode(code)}
	case !l.server.Login(login.Account, login.Password.Reveal()):
		return target.Proof{Answer: rotation.RefusedLogin, Code: "1045", Server: server,
			Err: rotation.Errorf(rotation.Permanent, "refused").WithCode("1045")}
	}
	return target.Proof{Answer: rotation.Accepted, Server: server, TLS: "none"}
}

func login(account, password string) target.Login {
	return target.Login{Place: place, Account: account, Password: rotation.NewSecret(password), Version: version}
}

func question(strategy rotation.Strategy, current string) target.Question {
	return target.Question{
		By: target.Login{Place: place, Version: version}, Strategy: strategy, Current: current,
		Pair: rotation.PairOf(current, rotation.SuffixAlibaba), Client: login(current, oldWord),
	}
}

func (b *bench) lock(t *testing.T) target.Session {
	t.Helper()
	session, err := b.Lock(t.Context(), target.Login{Place: place, Version: version}, pair)
	require.NoError(t, err)
	t.Cleanup(session.Close)
	return session
}

// accounts describes them as the API would show them: "app Available blog:ReadOnly shop:ReadWrite".
func (b *bench) accounts() []string {
	var lines []string
	for _, a := range b.instances.Accounts("rm-1") {
		words := []string{a.Name, a.Status}
		for _, database := range []string{"blog", "shop", "wiki"} {
			if p := a.Privileges[database]; p != "" {
				words = append(words, database+":"+p)
			}
		}
		lines = append(lines, strings.Join(words, " "))
	}
	return lines
}

// writes lists the calls that were to change something, in their order.
func (b *bench) writes() []string {
	var calls []string
	for _, r := range b.cloud.Requests() {
		if !strings.HasPrefix(r.Action, "Describe") {
			calls = append(calls, r.Action)
		}
	}
	return calls
}

func (b *bench) deny(actions ...string) {
	for _, action := range actions {
		b.cloud.Inject(cloudsim.Fault{Kind: cloudsim.Deny, Action: action, Times: cloudsim.Always})
	}
}

func requireError(t *testing.T, err error, kind rotation.Kind, code string, words ...string) {
	t.Helper()
	_ = failureOf(t, err, kind, code, words...)
}

// failureOf is requireError for who wants to see more of the error.
func failureOf(t *testing.T, err error, kind rotation.Kind, code string, words ...string) *rotation.Error {
	t.Helper()
	var ours *rotation.Error
	require.ErrorAs(t, err, &ours)
	require.Equal(t, kind, ours.Kind, err)
	require.Equal(t, code, ours.Code, err)
	for _, w := range words {
		require.ErrorContains(t, err, w)
	}
	return ours
}

// eventually polls until the condition holds, or fails the test.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !condition(); {
		require.True(t, time.Now().Before(deadline), "still not: %s", what)
		time.Sleep(5 * time.Millisecond)
	}
}

func numbered(prefix string, n int) []sim.Account {
	var accounts []sim.Account
	for i := range n {
		accounts = append(accounts, sim.Account{Name: fmt.Sprintf("%s%d", prefix, i)})
	}
	return accounts
}

type options = apsarards.Options

// newRandom gives the same bytes in every run.
func newRandom() *rand.ChaCha8 { return rand.NewChaCha8([32]byte{1}) }
