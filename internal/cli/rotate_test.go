package cli_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"

	"rotor/internal/cli"
	"rotor/internal/cloudsim/alibabakms"
	"rotor/internal/rotation"
)

func TestRotate(t *testing.T) {
	t.Parallel()
	secret := newSecret(t)
	f := run(t, words("rotate", secret))
	require.Equal(t, cli.ExitOK, f.code, f.stdout+f.stderr)
	require.Empty(t, f.stderr)
	s := stored(t, secret)
	version := s.Holder(alibabakms.Current).ID
	require.NotEqual(t, secret.Version, version)
	inOrder(t, f.stdout,
		"Rotating secret "+secret.Name+" of alibaba-kms in cn-hangzhou.\n",
		"Workflow "+workflowID(secret)+", run "+version+"\n\n",
		"  look ", "dual-account, account "+secret.Account, secret.Account+"_rt, which does not exist yet\n",
		"  new ", version+" is pending\n",
		"  set ", "account "+secret.Account+"_rt has the new password\n",
		"  test ", "logged in as "+secret.Account+"_rt\n",
		"  end ", version+" is current\n\n",
		"Rotated: version "+version+" is current, account "+secret.Account+"_rt (before: "+secret.Account+"), in ", "s.\n",
	)
	require.NotContains(t, f.stdout, "\x1b", "no colours and no moving lines outside of a terminal")
	require.NotContains(t, f.stdout, "\r")
}

// Durations are written as people write them, and not as a number of nanoseconds.
func TestDurationsInJSON(t *testing.T) {
	t.Parallel()
	secret := newSecret(t)
	f := run(t, words("rotate", secret, "--strategy", "single-user", "-o", "json"))
	require.Equal(t, cli.ExitOK, f.code, f.stdout+f.stderr)
	r := f.report(t)
	require.Equal(t, quick["ROTOR_STEP_TIMEOUT"], r.Plan.LongestAttempt)
	exposure, err := time.ParseDuration(r.Result.Exposure)
	require.NoError(t, err)
	require.Positive(t, exposure)
}

func TestRotateAsJSON(t *testing.T) {
	t.Parallel()
	secret := newSecret(t)
	f := run(t, words("rotate", secret, "--output", "json"))
	require.Equal(t, cli.ExitOK, f.code, f.stderr)
	require.Empty(t, f.stderr)
	r := f.report(t)
	s := stored(t, secret)
	require.Equal(t, rotation.Rotated, r.Outcome)
	require.Equal(t, rotation.StateEnded, r.State)
	require.Equal(t, "Completed", r.Closed)
	require.Equal(t, workflowID(secret), r.WorkflowID)
	require.Equal(t, s.Holder(alibabakms.Current).ID, r.Result.Version)
	require.Equal(t, secret.Version, r.Result.Former)
	require.Equal(t, secret.Account+"_rt", r.Result.Account)
	var steps []rotation.Step
	for _, step := range r.Steps {
		steps = append(steps, step.Step)
		require.Equal(t, 1, step.Attempts)
		require.False(t, step.Failed)
	}
	require.Equal(t, []rotation.Step{rotation.StepLook, rotation.StepNew, rotation.StepSet, rotation.StepTest, rotation.StepEnd}, steps)
	require.InDelta(t, r.Ended.Sub(r.Started).Seconds(), r.Seconds, 0.001)

	// Within the grace time the next one is refused, and --now overrules that.
	refused := run(t, words("rotate", secret, "--output", "json"))
	require.Equal(t, cli.ExitRefused, refused.code)
	require.Equal(t, rotation.Refused, refused.report(t).Outcome)
	require.Contains(t, refused.report(t).Failure.Text, "grace time")
	again := run(t, words("rotate", secret, "--now", "--output", "json"))
	require.Equal(t, cli.ExitOK, again.code)
	require.Equal(t, secret.Account, again.report(t).Result.Account)
}

// Whatever a command prints, it prints it for people, as JSON or as YAML with the same names.
func TestOutputOfEveryKind(t *testing.T) {
	t.Parallel()
	secret := newSecret(t)
	fromYAML := func(f finished) cli.Report {
		require.Empty(t, f.stderr)
		require.False(t, strings.HasPrefix(f.stdout, "{"), "it is YAML as people write it")
		data, err := yaml.YAMLToJSON([]byte(f.stdout))
		require.NoError(t, err, f.stdout)
		return finished{stdout: string(data)}.report(t)
	}
	rotated := run(t, words("rotate", secret, "-o", "yaml"))
	require.Equal(t, cli.ExitOK, rotated.code, rotated.stderr)
	require.Equal(t, rotation.Rotated, fromYAML(rotated).Outcome)
	asJSON := run(t, words("describe", secret, "-o", "json")).report(t)
	require.Equal(t, asJSON, fromYAML(run(t, words("describe", secret, "-o", "yaml"))))
	require.Equal(t, secret.Name, asJSON.Secret)
	inOrder(t, run(t, words("describe", secret, "-o", "table")).stdout, "secret    "+secret.Name, "  end ", "Rotated: version ")

	refused := run(t, words("rotate", secret, "-o", "yaml"))
	require.Equal(t, cli.ExitRefused, refused.code)
	require.Equal(t, rotation.Refused, fromYAML(refused).Outcome)
	inOrder(t, run(t, words("rotate", secret, "-o", "table")).stdout, "Rotating secret "+secret.Name, "  look ", "Refused after ")
	inOrder(t, run(t, words("check", secret, "-o", "yaml")).stdout, "Checks:\n- ", "Secret: "+secret.Name+"\n")
	require.Contains(t, run(t, words("check", secret, "-o", "table")).stdout, secret.Name+" of alibaba-kms in cn-hangzhou: ")
	inOrder(t, run(t, words("schedule", secret, "--every", "30d", "-o", "yaml")).stdout, "Done: created\n", "Request:\n", "SecretName: "+secret.Name+"\n")
	set := run(t, []string{"rotate", "-f", "-", "-o", "yaml"}, withStdin(manifestOf(secret)))
	require.Equal(t, cli.ExitRefused, set.code)
	require.Contains(t, set.stdout, "Outcome: Refused\n")
	require.Equal(t, "Version: dev\n", run(t, []string{"version", "-o", "yaml"}).stdout)
}

func TestRefusedTextSaysWhyOnce(t *testing.T) {
	t.Parallel()
	f := run(t, []string{"rotate", "nosuch", "--region", "cn-hangzhou"})
	require.Equal(t, cli.ExitRefused, f.code)
	inOrder(t, f.stdout, "  look ", "failed: ", "nosuch", "\n\nRefused after ")
	require.Equal(t, 1, strings.Count(f.stdout, "no such secret"), f.stdout)
}

// What the workflow would refuse without a look at the store is refused here, in the same words, and nothing is started.
func TestRefusedLocally(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		line  []string
		stdin string
		says  []string
	}{
		"empty name":          {[]string{"rotate", "", "-r", "cn-hangzhou"}, "", []string{"SecretName: missing"}},
		"bad name":            {[]string{"rotate", "a b", "-r", "cn-hangzhou"}, "", []string{`SecretName: "a b"`}},
		"bad region":          {[]string{"rotate", "a", "-r", "CN"}, "", []string{`RegionId: "CN"`, "like cn-hangzhou"}},
		"everything at once":  {[]string{"rotate", "a b", "-r", "CN", "--strategy", "x", "--grace", "y"}, "", []string{"SecretName", "RegionId", "Strategy", "Grace"}},
		"partial ARN":         {[]string{"rotate", "acs:kms:cn-hangzhou::secret/a"}, "", []string{"incomplete ARN"}},
		"region against ARN":  {[]string{"rotate", "acs:kms:cn-beijing:1:secret/a", "-r", "cn-hangzhou"}, "", []string{"the ARN in SecretName says cn-beijing"}},
		"password too long":   {[]string{"rotate", "a", "-r", "b", "--password-length", "999"}, "", []string{"Password.Length", "8 to 128"}},
		"bad patience":        {[]string{"rotate", "a", "-r", "b", "--patience", "long"}, "", []string{"Patience"}},
		"bad on-failure":      {[]string{"rotate", "a", "-r", "b", "--on-failure", "cry"}, "", []string{"OnFailure", "rollback, park"}},
		"unknown field":       {[]string{"rotate", "--payload", "-"}, `{"SecretName":"a","RegionId":"b","secretname":"c"}`, []string{"did you mean SecretName?"}},
		"wrong type":          {[]string{"rotate", "--payload", "-"}, `{"SecretName":"a","RegionId":7}`, []string{"RegionId: wrong type"}},
		"step of the recipe":  {[]string{"rotate", "--payload", "-"}, `{"SecretName":"a","RegionId":"b","Step":"new"}`, []string{"Function Compute"}},
		"payload is no JSON":  {[]string{"rotate", "--payload", "-"}, `{`, []string{"not a JSON object"}},
		"payload, no region":  {[]string{"rotate", "--payload", "-"}, `{"SecretName":"a"}`, []string{"RegionId: missing"}},
		"payload is a string": {[]string{"rotate", "--payload", "-"}, `"a"`, []string{"not a JSON object"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// Temporal can't be reached, so nothing can have been started.
			hows := []how{withStdin(test.stdin), withEnv("TEMPORAL_ADDRESS=127.0.0.1:1")}
			f := run(t, test.line, hows...)
			require.Equal(t, cli.ExitRefused, f.code, f.stderr)
			require.Empty(t, f.stderr)
			require.True(t, strings.HasPrefix(f.stdout, "Refused: "), f.stdout)
			hows[0] = withStdin(test.stdin)
			asJSON := run(t, append(test.line, "-o", "json"), hows...)
			require.Equal(t, cli.ExitRefused, asJSON.code)
			r := asJSON.report(t)
			require.Equal(t, rotation.Refused, r.Outcome)
			for _, text := range test.says {
				require.Contains(t, f.stdout, text)
				require.Contains(t, r.Failure.Text, text)
			}
		})
	}
}

func TestPayload(t *testing.T) {
	t.Parallel()
	secret := newSecret(t)
	file := filepath.Join(t.TempDir(), "request.json")
	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, `{"SecretName": %q, "RegionId": "cn-hangzhou", "Grace": "2h"}`, secret.Name), 0o600))
	require.Equal(t, cli.ExitOK, run(t, []string{"rotate", "--payload", file}).code)

	// A flag wins over the payload.
	same := fmt.Sprintf(`{"SecretName": %q, "RegionId": "cn-nowhere"}`, secret.Name)
	f := run(t, words("rotate", secret, "--payload", "-", "--now", "-o", "json"), withStdin(same))
	require.Equal(t, cli.ExitOK, f.code, f.stdout+f.stderr)
	require.Equal(t, "cn-hangzhou", f.report(t).Region)

	// A payload without an argument and without flags goes as it is.
	f = run(t, []string{"rotate", "--payload", "-"}, withStdin(fmt.Sprintf(`{"SecretName": %q, "RegionId": "cn-hangzhou"}`, secret.Name)))
	require.Equal(t, cli.ExitRefused, f.code)
	require.Contains(t, f.stdout, "grace time of 1h0m0s")
}

func TestARNIsTheSameSecret(t *testing.T) {
	t.Parallel()
	secret := newSecret(t)
	arn := stack.Cloud.KMS().In(stack.Cloud.Credential().Account, secret.Region).ARN(secret.Name)
	f := run(t, []string{"rotate", arn, "-o", "json"})
	require.Equal(t, workflowID(secret), f.report(t).WorkflowID)
	require.Equal(t, cli.ExitOK, f.code, f.stdout)
	require.Contains(t, run(t, []string{"describe", arn}).stdout, "Rotated: version")
}

func TestRolledBack(t *testing.T) {
	t.Parallel()
	secret := newSecret(t)
	breakAfterNew(t, secret)
	f := run(t, words("rotate", secret))
	require.Equal(t, cli.ExitRolledBack, f.code, f.stdout+f.stderr)
	inOrder(t, f.stdout, "  set ", "failed: ", "  rollback ", "RolledBack: version "+secret.Version+" is current, account "+secret.Account+", after ", "reason: step set: ")
}

func TestNoWait(t *testing.T) {
	t.Parallel()
	secret := newSecret(t)
	f := run(t, words("rotate", secret, "--no-wait"))
	require.Equal(t, cli.ExitOK, f.code, f.stderr)
	require.Contains(t, f.stdout, "starter describe "+secret.Name+" --region cn-hangzhou\n")
	eventually(t, 2*time.Minute, "it rotates all the same", func() bool {
		s := stored(t, secret)
		return s.Holder(alibabakms.Current).ID != secret.Version
	})
	asJSON := run(t, words("rotate", secret, "--no-wait", "-o", "json"))
	require.Equal(t, cli.ExitOK, asJSON.code)
	require.Equal(t, rotation.StateRunning, asJSON.report(t).State)
	require.NotEmpty(t, asJSON.report(t).RunID)
}

func TestRetriesAreShownWithTheirReasons(t *testing.T) {
	t.Parallel()
	secret := newSecret(t)
	faultKMS(t, "PutSecretValue", secret.Name, 3)
	r := start(t, words("rotate", secret))
	f := r.wait()
	require.Equal(t, cli.ExitOK, f.code, f.stdout+f.stderr)
	inOrder(t, f.stdout, "  look ", "  new ", "failed: ", "again in ", "  new ", "(", " attempts)\n", "  set ", "Rotated: ")
}

func TestColoursAreForTerminals(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		hows     []how
		coloured bool
		moving   bool
	}{
		"terminal":              {[]how{onTerminal}, true, true},
		"terminal and NO_COLOR": {[]how{onTerminal, withEnv("NO_COLOR=1")}, false, true},
		"empty NO_COLOR":        {[]how{onTerminal, withEnv("NO_COLOR=")}, true, true},
		"dumb terminal":         {[]how{onTerminal, withEnv("TERM=dumb")}, false, false},
		"pipe":                  {nil, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			secret := newSecret(t)
			held := hold(t, "PutSecretValue", secret.Name)
			r := start(t, words("rotate", secret), test.hows...)
			reached(t, held)
			if test.moving {
				eventually(t, 2*time.Minute, "it says that New is running", func() bool { return strings.Contains(r.stdout.String(), "\r\x1b[K") })
			}
			held.Release()
			f := r.wait()
			require.Equal(t, cli.ExitOK, f.code, f.stderr)
			require.Equal(t, test.coloured, strings.Contains(f.stdout, "\x1b[32mRotated\x1b[0m"), "%q", f.stdout)
			require.Equal(t, test.moving, strings.Contains(f.stdout, "\r\x1b[K"), "%q", f.stdout)
			if !test.coloured && !test.moving {
				require.NotContains(t, f.stdout, "\x1b")
			}
		})
	}
}
