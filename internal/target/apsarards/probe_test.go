package apsarards_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rotor/internal/cloudsim"
	sim "rotor/internal/cloudsim/apsarards"
	"rotor/internal/rotation"
	"rotor/internal/target"
	"rotor/internal/target/apsarards"
	"rotor/internal/target/mysql"
)

type proberFunc func(target.Login) target.Proof

func (f proberFunc) Probe(_ context.Context, l target.Login) target.Proof { return f(l) }

func TestProbeLogsIn(t *testing.T) {
	b := start(t, sim.Instance{})
	proof := b.Probe(t.Context(), login("app", oldWord))
	require.Equal(t, target.Proof{Answer: rotation.Accepted, Server: "one", TLS: "none"}, proof)
	proof = b.Probe(t.Context(), login("app", newWord))
	require.Equal(t, rotation.RefusedLogin, proof.Answer)
	require.Equal(t, "1045", proof.Code)
	require.False(t, proof.ByAPI)
}

func TestProbeAddresses(t *testing.T) {
	for name, c := range map[string]struct {
		network string
		public  string
		host    string
		want    string
	}{
		"the secret's":               {host: "db.example", want: "app@db.example:3306"},
		"inside":                     {public: "public.example", want: "app@rm-1.example:3306"},
		"outside":                    {network: "public", public: "public.example", want: "app@public.example:3306"},
		"outside, but there is none": {network: "public", want: "app@rm-1.example:3306"},
	} {
		t.Run(name, func(t *testing.T) {
			b := start(t, sim.Instance{Public: c.public}, func(o *apsarards.Options) { o.Network = c.network })
			l := login("app", oldWord)
			l.Place.Host, l.Place.Port = c.host, 3306
			b.Probe(t.Context(), l)
			require.Equal(t, []string{c.want}, b.logins.seen)
		})
	}
}

// What no server answers, the API answers for; what a server answers counts.
func TestProbeByAPI(t *testing.T) {
	for name, c := range map[string]struct {
		instance sim.Instance
		prepare  func(*bench)
		account  string
		demanded bool
		answer   rotation.Answer
		byAPI    bool
		marked   bool
		code     string
		words    string
	}{
		"nothing listens":  {prepare: code("refused"), answer: rotation.Accepted, byAPI: true},
		"no answer":        {prepare: code("timeout"), answer: rotation.Accepted, byAPI: true},
		"no such name":     {prepare: code("unknown host"), answer: rotation.Accepted, byAPI: true},
		"connection broke": {prepare: code("lost"), answer: rotation.Accepted, byAPI: true},
		"not from here":    {prepare: code("1130"), answer: rotation.Accepted, byAPI: true},
		"no TLS":           {prepare: code("tls"), answer: rotation.Unknown, code: "tls"},
		"too many":         {prepare: code("1040"), answer: rotation.Unknown, code: "1040"},
		"demanded":         {prepare: code("timeout"), demanded: true, answer: rotation.Unknown, code: "timeout", words: "demands a login"},
		"addresses denied": {prepare: func(b *bench) { b.deny("DescribeDBInstanceNetInfo") }, answer: rotation.Accepted, byAPI: true},
		"addresses denied, login demanded": {prepare: func(b *bench) { b.deny("DescribeDBInstanceNetInfo") }, demanded: true, answer: rotation.Unknown,
			code: "Forbidden.RAM", words: "rds:DescribeDBInstanceNetInfo"},
		"addresses throttled": {prepare: func(b *bench) {
			b.cloud.Inject(cloudsim.Fault{Kind: cloudsim.Throttle, Action: "DescribeDBInstanceNetInfo", Times: cloudsim.Always})
		}, answer: rotation.Unknown, code: "Throttling.User"},
		"instance denied": {prepare: both(code("timeout"), func(b *bench) { b.deny("DescribeDBInstanceAttribute") }), answer: rotation.Accepted, byAPI: true},
		"instance restarts": {instance: sim.Instance{Status: "Restarting"}, prepare: code("timeout"), answer: rotation.Unknown, byAPI: true, code: "busy",
			words: "Restarting"},
		"account changes": {instance: sim.Instance{Accounts: []sim.Account{{Name: "app", Status: sim.Unavailable}}}, prepare: code("timeout"),
			answer: rotation.Unknown, byAPI: true, code: "busy", words: "account app of instance rm-1 is Unavailable"},
		"accounts throttled": {prepare: both(code("timeout"), func(b *bench) {
			b.cloud.Inject(cloudsim.Fault{Kind: cloudsim.Throttle, Action: "DescribeAccounts", Times: cloudsim.Always})
		}), answer: rotation.Unknown, byAPI: true, code: "Throttling.User"},
		"no such account": {prepare: code("timeout"), account: "nobody", answer: rotation.RefusedLogin, byAPI: true, code: "InvalidAccountName.NotFound"},
		"created for this version": {instance: sim.Instance{Accounts: []sim.Account{{Name: "app", Description: mark}}}, prepare: code("timeout"),
			answer: rotation.Accepted, byAPI: true, marked: true},
		"created for another version": {instance: sim.Instance{Accounts: []sim.Account{{Name: "app", Description: mark + "0"}}}, prepare: code("timeout"),
			answer: rotation.Accepted, byAPI: true},
	} {
		t.Run(name, func(t *testing.T) {
			b := start(t, c.instance)
			c.prepare(b)
			l := login("app", newWord)
			l.Demanded = c.demanded
			if c.account != "" {
				l.Account = c.account
			}
			proof := b.Probe(t.Context(), l)
			require.Equal(t, c.answer, proof.Answer, proof.Err)
			require.Equal(t, c.byAPI, proof.ByAPI)
			require.Equal(t, c.marked, proof.Marked)
			require.Equal(t, c.code, proof.Code)
			if c.answer == rotation.Accepted {
				require.NoError(t, proof.Err)
				return
			}
			require.ErrorContains(t, proof.Err, c.words)
		})
	}
}

func code(code string) func(*bench) { return func(b *bench) { b.logins.code = code } }

func both(one, other func(*bench)) func(*bench) {
	return func(b *bench) {
		one(b)
		other(b)
	}
}

// A refusal counts when no change of the account is under way: the API shows an account before it can log in.
func TestRefusalsWhileAnAccountChanges(t *testing.T) {
	b := start(t, sim.Instance{Delay: time.Hour})
	session := b.lock(t)
	_, err := session.Create(t.Context(), "app_rt", "app", rotation.NewSecret(newWord))
	requireError(t, err, rotation.Retryable, "busy")
	proof := b.Probe(t.Context(), login("app_rt", newWord))
	require.Equal(t, rotation.Unknown, proof.Answer)
	requireError(t, proof.Err, rotation.Retryable, "busy", "account app_rt of instance rm-1 is Unavailable")

	b.instances.Settle("rm-1")
	require.Equal(t, rotation.Accepted, b.Probe(t.Context(), login("app_rt", newWord)).Answer)
	require.Equal(t, rotation.RefusedLogin, b.Probe(t.Context(), login("app_rt", oldWord)).Answer)
	require.Equal(t, rotation.RefusedLogin, b.Probe(t.Context(), login("nobody", oldWord)).Answer)
	b.cloud.Inject(cloudsim.Fault{Kind: cloudsim.Throttle, Action: "DescribeAccounts", Times: cloudsim.Always})
	require.Equal(t, rotation.Unknown, b.Probe(t.Context(), login("app_rt", oldWord)).Answer)
}

// The codes that let the API answer are those that the target for MySQL really gives.
func TestUnreachableServers(t *testing.T) {
	direct, err := mysql.New(mysql.Options{DialTimeout: 200 * time.Millisecond})
	require.NoError(t, err)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, silent.Close()) })
	closing, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, closing.Close()) })
	go func() {
		for {
			c, err := closing.Accept()
			if err != nil {
				return
			}
			_ = c.Close()
		}
	}()
	port := func(l net.Listener) int { return l.Addr().(*net.TCPAddr).Port }
	for name, c := range map[string]struct {
		host string
		port int
	}{
		"nothing listens": {"127.0.0.1", 1}, "silent": {"127.0.0.1", port(silent)}, "closes at once": {"127.0.0.1", port(closing)}, "no such name": {"nowhere.invalid", 3306},
	} {
		t.Run(name, func(t *testing.T) {
			b := start(t, sim.Instance{}, func(o *apsarards.Options) { o.Logins = direct })
			l := login("app", oldWord)
			l.Place.Host, l.Place.Port = c.host, c.port
			proof := b.Probe(t.Context(), l)
			require.Equal(t, rotation.Accepted, proof.Answer, proof.Err)
			require.True(t, proof.ByAPI)
		})
	}
}

func TestCancelledProbesAskNobody(t *testing.T) {
	b := start(t, sim.Instance{})
	ctx, cancel := context.WithCancel(t.Context())
	b2 := start(t, sim.Instance{}, func(o *apsarards.Options) {
		o.Endpoint = b.url
		o.Logins = proberFunc(func(target.Login) target.Proof {
			cancel()
			return target.Proof{Answer: rotation.Unknown, Code: "timeout", Err: rotation.Errorf(rotation.Retryable, "no answer")}
		})
	})
	l := login("app", oldWord)
	l.Place.Host, l.Place.Port = "db.example", 3306
	proof := b2.Probe(ctx, l)
	require.Equal(t, rotation.Unknown, proof.Answer)
	require.False(t, proof.ByAPI)
}

func TestATargetWithoutLogins(t *testing.T) {
	b := start(t, sim.Instance{}, func(o *apsarards.Options) { o.Logins = nil })
	require.True(t, b.Probe(t.Context(), login("app", oldWord)).ByAPI)
}
