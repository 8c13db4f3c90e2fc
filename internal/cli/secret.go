package cli

import (
	"errors"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"rotor/internal/rotation"
)

// secretFlags name a secret; they are the same on every command.
type secretFlags struct{ region, store string }

func (s *secretFlags) bind(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&s.region, "region", "r", "", "region of the secret; an ARN has it in it")
	cmd.Flags().StringVarP(&s.store, "store", "s", "", "store of the secret (default "+rotation.StoreAlibabaKMS+")")
}

// request gives the valid request that names the secret. What is wrong with a name is a wrong command line here.
func (s *secretFlags) request(secret string) (rotation.Request, error) {
	if err := s.complete(secret); err != nil {
		return rotation.Request{}, err
	}
	req, err := rotation.Request{SecretName: secret, RegionId: s.region, Store: s.store}.Validate()
	if err != nil {
		return req, &exitError{ExitUsage, err}
	}
	return req, nil
}

// complete wants a region, from the flag or from an ARN.
func (s *secretFlags) complete(secret string) error {
	if s.region == "" && !strings.Contains(secret, ":") {
		return usagef("--region is missing: the region of the secret, like cn-hangzhou (an ARN in place of the name has it in it)")
	}
	return nil
}

// command is a command about a secret as it can be typed. rest stands before the flags.
func (a *app) command(name string, req rotation.Request, rest ...string) string {
	words := append([]string{a.Program, name, shellWord(req.Name())}, rest...)
	words = append(words, "--region", shellWord(req.RegionId))
	if req.Store != rotation.StoreAlibabaKMS {
		words = append(words, "--store", shellWord(req.Store))
	}
	return strings.Join(words, " ") + a.where
}

// requestFlags are what a rotation can be asked for beside the secret.
type requestFlags struct {
	secretFlags
	instance, strategy, grace, onFailure, patience string
	passwordLength                                 int
	adoptStandby, acceptHistory                    bool
	retireFormer                                   string
	retireWhenIdle, endSessions                    bool
	payload                                        string
}

func (f *requestFlags) bind(cmd *cobra.Command) {
	f.secretFlags.bind(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.instance, "instance", "", "ApsaraDB RDS instance; with it the target is apsara-rds")
	flags.StringVar(&f.strategy, "strategy", "", "dual-account, single-user or dual-password (default: what the secret's document says)")
	flags.StringVar(&f.grace, "grace", "", "how long a credential stays good after it was current (default "+rotation.DefaultGrace.String()+")")
	flags.BoolVar(&f.adoptStandby, "adopt-standby", false, "take over a standby account to which no version of the secret logs in")
	flags.BoolVar(&f.acceptHistory, "accept-password-history", false, "rotate although the server's password history may forbid a rollback")
	flags.StringVar(&f.onFailure, "on-failure", "", "rollback or park (default rollback)")
	flags.StringVar(&f.retireFormer, "retire-former", "", "when the former credential is made unusable: never, now, or after a duration (default never; dual-password: after --grace)")
	flags.BoolVar(&f.retireWhenIdle, "retire-when-idle", false, "wait with it until nobody is logged in with the former credential")
	flags.BoolVar(&f.endSessions, "end-sessions", false, "end the sessions of the former credential's account when it is retired")
	flags.IntVar(&f.passwordLength, "password-length", 0, "length of the new password (default 32)")
	flags.StringVar(&f.patience, "patience", "", "how long steps are tried (default "+rotation.DefaultPatience.String()+")")
	flags.StringVar(&f.payload, "payload", "", "file with the request as JSON, - for standard input; flags win over it")
}

// request puts the request together: the payload, and over it what was given as argument and flags. It is not validated.
func (f *requestFlags) request(cmd *cobra.Command, stdin io.Reader, args []string) (rotation.Request, error) {
	var req rotation.Request
	if f.payload != "" {
		data, err := readPayload(f.payload, stdin)
		if err != nil {
			return req, err
		}
		_ = req.UnmarshalJSON(data) // never fails; what is wrong comes out of Validate
	}
	if len(args) > 0 {
		if f.payload != "" && req.SecretName != "" && req.SecretName != args[0] {
			return req, usagef("the payload names secret %s and the command line %s; give one", shellWord(req.SecretName), shellWord(args[0]))
		}
		req.SecretName = args[0]
	} else if f.payload == "" {
		return req, oneSecret(cmd, args)
	}
	for name, one := range map[string]struct {
		into *string
		from string
	}{
		"region": {&req.RegionId, f.region}, "store": {&req.Store, f.store}, "instance": {&req.InstanceId, f.instance},
		"grace": {&req.Grace, f.grace}, "retire-former": {&req.RetireFormer, f.retireFormer}, "on-failure": {&req.OnFailure, f.onFailure}, "patience": {&req.Patience, f.patience},
	} {
		if cmd.Flags().Changed(name) {
			*one.into = one.from
		}
	}
	if cmd.Flags().Changed("strategy") {
		req.Strategy = rotation.Strategy(f.strategy)
	}
	if cmd.Flags().Changed("password-length") {
		req.Password.Length = f.passwordLength
	}
	if cmd.Flags().Changed("adopt-standby") {
		req.AdoptStandby = f.adoptStandby
	}
	if cmd.Flags().Changed("retire-when-idle") {
		req.RetireWhenIdle = f.retireWhenIdle
	}
	if cmd.Flags().Changed("end-sessions") {
		req.EndSessions = f.endSessions
	}
	if cmd.Flags().Changed("accept-password-history") {
		req.AcceptPasswordHistory = f.acceptHistory
	}
	if f.payload == "" {
		return req, f.complete(req.SecretName)
	}
	return req, nil
}

// maxPayload is far more than a request can be.
const maxPayload = 64 << 10

func readPayload(name string, stdin io.Reader) ([]byte, error) {
	in := stdin
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return nil, usagef("--payload %s: %s", name, reason(err))
		}
		defer func() { _ = file.Close() }()
		in = file
	}
	data, err := io.ReadAll(io.LimitReader(in, maxPayload+1))
	if err != nil {
		return nil, usagef("--payload %s: %s", name, reason(err))
	}
	if len(data) > maxPayload {
		return nil, usagef("--payload %s: longer than %d bytes; that is no request", name, maxPayload)
	}
	return data, nil
}

// reason is the cause of a file error without the path, which is said anyway.
func reason(err error) string {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return err.Error()
}
