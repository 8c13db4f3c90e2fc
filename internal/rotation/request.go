package rotation

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Defaults of a request.
const (
	DefaultGrace    = time.Hour
	DefaultPatience = 15 * time.Minute
)

// Request asks for one rotation. Its JSON is the workflow's input; the payloads of Alibaba Cloud's Serverless
// Workflow recipe ({"SecretName", "RegionId"} with or without "InstanceId") are requests as they stand.
type Request struct {
	// SecretName is the secret's name, or its ARN, which is reduced to the name.
	SecretName string
	// RegionId is the region that the secret is in; an ARN has it in it.
	RegionId string `json:",omitempty"`
	// InstanceId is the ApsaraDB RDS instance; with it the target is apsara-rds.
	InstanceId string `json:",omitempty"`
	// Store names a store of the worker; absent: alibaba-kms.
	Store string `json:",omitempty"`
	// Strategy is dual-account, single-user or dual-password; it is taken from the document where it is absent.
	Strategy Strategy `json:",omitempty"`
	// Now rotates although clients may still hold the credential that was current before (see Grace).
	Now bool `json:",omitempty"`
	// Grace is how long a credential stays good after it was current (a Go duration); absent: 1h.
	Grace string `json:",omitempty"`
	// AdoptStandby takes over a standby account to which no version of the secret logs in.
	AdoptStandby bool `json:",omitempty"`
	// Proof is "login" if only a login proves a credential; absent: where the worker can't reach an ApsaraDB RDS instance, its API's
	// word that the account is available will do, and the result says so.
	Proof string `json:",omitempty"`
	// AcceptPasswordHistory rotates although the server's password history may forbid a rollback.
	AcceptPasswordHistory bool `json:",omitempty"`
	// Password says what new passwords look like; absent: as the worker is set up.
	Password PasswordPolicy `json:",omitzero"`
	// RetireFormer says when the credential that was current before is made unusable: "never", "now", or after a Go duration. Absent: never, and
	// with strategy dual-password after Grace.
	RetireFormer string `json:",omitempty"`
	// RetireWhenIdle waits with it until nobody is logged in with the former credential.
	RetireWhenIdle bool `json:",omitempty"`
	// EndSessions ends the sessions of the former credential's account when it is retired.
	EndSessions bool `json:",omitempty"`
	// OnFailure is "rollback" (absent) or "park".
	OnFailure string `json:",omitempty"`
	// Patience is how long New, Set and Test are tried (a Go duration); absent: 15m.
	Patience string `json:",omitempty"`

	problems []*Error
	// event says that it was no request, but an event of another program.
	event bool
}

// fields of a request, by JSON name. UnmarshalJSON and the list of what is allowed come from here.
func (r *Request) fields() map[string]any {
	return map[string]any{
		"SecretName": &r.SecretName, "RegionId": &r.RegionId, "InstanceId": &r.InstanceId, "Store": &r.Store,
		"Strategy": &r.Strategy, "Now": &r.Now, "Grace": &r.Grace, "AdoptStandby": &r.AdoptStandby,
		"AcceptPasswordHistory": &r.AcceptPasswordHistory, "Password": &r.Password,
		"OnFailure": &r.OnFailure, "Patience": &r.Patience, "Proof": &r.Proof,
		"RetireFormer": &r.RetireFormer, "RetireWhenIdle": &r.RetireWhenIdle, "EndSessions": &r.EndSessions,
	}
}

// UnmarshalJSON never fails. Temporal drops unknown fields silently and retries a workflow task for ever when a type is
// wrong; here both are remembered, and Validate refuses them by name.
func (r *Request) UnmarshalJSON(data []byte) error {
	*r = Request{}
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil || raw == nil {
		r.problems = append(r.problems, FieldError("request", `not a JSON object; wanted: {"SecretName": "...", "RegionId": "..."}`))
		return nil
	}
	if event := lambdaEvent(raw); event != nil {
		r.problems, r.event = append(r.problems, event), true
		return nil
	}
	if _, event := raw["Step"]; event {
		delete(raw, "VersionId") // it belongs to the event, which is said once
	}
	r.take("", raw, r.fields())
	return nil
}

// lambdaEvent recognises what Secrets Manager gives to a rotation function, once and as a whole.
func lambdaEvent(raw map[string]json.RawMessage) *Error {
	_, id := raw["SecretId"]
	_, token := raw["ClientRequestToken"]
	if !id || !token {
		return nil
	}
	wanted := `{"SecretName": "...", "RegionId": "...", "Store": "` + StoreAWS + `"}`
	var name string
	if json.Unmarshal(raw["SecretId"], &name) == nil {
		if _, region, problem := reduceName(name); problem == nil && region != "" {
			wanted = `{"SecretName": "` + name + `", "Store": "` + StoreAWS + `"}`
		}
	}
	return FieldError("SecretId, ClientRequestToken", "this is a rotation event of Secrets Manager for a Lambda, which is called once for each Step; "+
		"a rotation here is one request with SecretName, RegionId and Store, and runs all steps itself: %s", wanted)
}

// take decodes the fields that are known, and remembers what is wrong with the others. Fields of an object within are named with its
// name and a dot before theirs.
func (r *Request) take(within string, raw map[string]json.RawMessage, known map[string]any) {
	for _, name := range slices.Sorted(maps.Keys(raw)) {
		into, ok := known[name]
		if !ok {
			problem := unknownField(name, known)
			problem.Field = within + problem.Field
			r.problems = append(r.problems, problem)
			continue
		}
		if bytes.Equal(raw[name], []byte("null")) {
			continue
		}
		if policy, nested := into.(*PasswordPolicy); nested {
			var inner map[string]json.RawMessage
			if err := json.Unmarshal(raw[name], &inner); err != nil {
				r.problems = append(r.problems, FieldError(name, "wrong type: an object is wanted"))
				continue
			}
			r.take(name+".", inner, policy.fields())
			continue
		}
		if err := json.Unmarshal(raw[name], into); err != nil {
			r.problems = append(r.problems, FieldError(within+name, "wrong type: %s is wanted", wanted(into)))
		}
	}
}

func unknownField(name string, known map[string]any) *Error {
	switch name {
	case "Step", "VersionId":
		return FieldError(name, "this is a step event of the Function Compute recipe; a rotation here is one request with "+
			"SecretName and RegionId, and runs all steps itself")
	case "SecretId", "ClientRequestToken":
		return FieldError(name, "this is a rotation event of Secrets Manager for a Lambda; a rotation here is one request with "+
			"SecretName, RegionId and Store, and runs all steps itself")
	}
	for k := range known {
		if strings.EqualFold(k, name) {
			return FieldError(printable(name), "unknown field; did you mean %s?", k)
		}
	}
	return FieldError(printable(name), "unknown field; known: %s", strings.Join(slices.Sorted(maps.Keys(known)), ", "))
}

// printable shortens what came from outside, so that an error stays one line.
func printable(s string) string {
	q := fmt.Sprintf("%q", s)
	q = q[1 : len(q)-1]
	if len(q) > 60 {
		q = q[:60] + "..."
	}
	return q
}

func wanted(field any) string {
	switch field.(type) {
	case *bool:
		return "true or false"
	case *int:
		return "a whole number"
	default:
		return "a string"
	}
}

var (
	nameForm   = regexp.MustCompile(`^[A-Za-z0-9_/+=.@-]+$`)
	regionForm = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	storeForm  = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	alibabaARN = regexp.MustCompile(`^acs:kms:([^:]*):([^:]*):secret/(.+)$`)
	awsARN     = regexp.MustCompile(`^arn:aws[a-z-]*:secretsmanager:([^:]*):([^:]*):secret:(.+)$`)
	awsSuffix  = regexp.MustCompile(`-[A-Za-z0-9]{6}$`)
)

// Validate checks all that can be known without a look at a store, fills in what is absent, and reports every
// problem at once in one permanent error.
func (r Request) Validate() (Request, error) {
	valid, problems := r.Check()
	if len(problems) > 0 {
		return valid, joinProblems(problems)
	}
	return valid, nil
}

// Check is Validate with the problems one by one, each with its field.
func (r Request) Check() (Request, []*Error) {
	problems := slices.Clone(r.problems)
	if r.event {
		return r, problems
	}
	add := func(err *Error) { problems = append(problems, err) }
	if r.Store == "" {
		r.Store = StoreAlibabaKMS
	} else if !storeForm.MatchString(r.Store) {
		add(FieldError("Store", "%q is no store's name: lower-case letters, digits and dashes", printable(r.Store)))
	}
	_, arnRegion, err := reduceName(r.SecretName)
	if err != nil {
		add(err)
	}
	for _, other := range []struct{ store, prefix, provider string }{{StoreAlibabaKMS, "arn:", StoreAWS}, {StoreAWS, "acs:", StoreAlibabaKMS}} {
		if r.Store == other.store && err == nil && strings.HasPrefix(r.SecretName, other.prefix) {
			add(FieldError("Store", "%s, but the ARN is that of a secret in another store; wanted: %s, or a named store", r.Store, other.provider))
		}
	}
	if r.RegionId == "" {
		r.RegionId = arnRegion
	}
	switch {
	case r.RegionId == "":
		add(FieldError("RegionId", "missing; wanted: a region like cn-hangzhou"))
	case !regionForm.MatchString(r.RegionId):
		add(FieldError("RegionId", "%q is no region: lower-case letters, digits and dashes, like cn-hangzhou", printable(r.RegionId)))
	case arnRegion != "" && arnRegion != r.RegionId:
		add(FieldError("RegionId", "%s, but the ARN in SecretName says %s", r.RegionId, printable(arnRegion)))
	}
	if r.Strategy != "" && !slices.Contains(Strategies, r.Strategy) {
		add(FieldError("Strategy", "%q is unknown; known: %s", printable(string(r.Strategy)), listed(Strategies)))
	}
	if r.Proof != "" && r.Proof != ProofLogin {
		add(FieldError("Proof", "%q is unknown; known: %s", printable(r.Proof), ProofLogin))
	}
	switch r.OnFailure {
	case "":
		r.OnFailure = OnFailureRollback
	case OnFailureRollback, OnFailurePark:
	default:
		add(FieldError("OnFailure", "%q is unknown; known: %s, %s", printable(r.OnFailure), OnFailureRollback, OnFailurePark))
	}
	for _, problem := range slices.Concat(r.Password.problems(), r.retireProblems()) {
		add(problem)
	}
	for _, d := range []struct {
		name  string
		value *string
		def   time.Duration
		min   time.Duration
	}{{"Grace", &r.Grace, DefaultGrace, 0}, {"Patience", &r.Patience, DefaultPatience, time.Second}} {
		if *d.value == "" {
			*d.value = d.def.String()
		} else if v, err := time.ParseDuration(*d.value); err != nil || v < d.min {
			add(FieldError(d.name, "%q is no duration of at least %s; wanted: a Go duration like %s", printable(*d.value), d.min, d.def))
		}
	}
	return r, problems
}

func listed(strategies []Strategy) string {
	var words []string
	for _, s := range strategies {
		words = append(words, string(s))
	}
	return strings.Join(words, ", ")
}

func joinProblems(problems []*Error) error {
	if len(problems) == 1 {
		return problems[0]
	}
	texts := make([]string, len(problems))
	for i, p := range problems {
		texts[i] = p.Error()
	}
	return Errorf(Permanent, "%s", strings.Join(texts, "; "))
}

// reduceName gives the name of a secret from a name or an ARN, and the ARN's region.
func reduceName(s string) (name, region string, _ *Error) {
	name = s
	switch {
	case s == "":
		return "", "", FieldError("SecretName", "missing; wanted: the secret's name")
	case strings.HasPrefix(s, "acs:"):
		m := alibabaARN.FindStringSubmatch(s)
		if m == nil || m[1] == "" || m[2] == "" {
			return "", "", FieldError("SecretName", "an incomplete ARN; wanted: acs:kms:REGION:ACCOUNT:secret/NAME")
		}
		name, region = m[3], m[1]
	case strings.HasPrefix(s, "arn:"):
		m := awsARN.FindStringSubmatch(s)
		if m == nil || m[1] == "" || m[2] == "" || !awsSuffix.MatchString(m[3]) {
			return "", "", FieldError("SecretName", "an incomplete ARN; wanted: "+
				"arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME-XXXXXX, with the six characters at its end")
		}
		name, region = awsSuffix.ReplaceAllString(m[3], ""), m[1]
	}
	if len(name) > maxSecretNameSize || !nameForm.MatchString(name) {
		return "", "", FieldError("SecretName", "%q is no secret's name: letters, digits and _/+=.@-, %d at most", printable(name), maxSecretNameSize)
	}
	return name, region, nil
}

// Name is the secret's name without what surrounds it in an ARN. Call it on a validated request.
func (r Request) Name() string {
	name, _, _ := reduceName(r.SecretName)
	return name
}

// ARN is the secret's ARN, "" where the request names it otherwise. Call it on a validated request.
func (r Request) ARN() string {
	if r.SecretName == r.Name() {
		return ""
	}
	return r.SecretName
}

// WorkflowID is the canonical id of the rotation of a secret: two starts with the same one can't run at once.
func (r Request) WorkflowID() string {
	return workflowIDPrefix + r.Store + "/" + r.RegionId + "/" + r.Name()
}

// Target is what the request is aimed at.
func (r Request) Target() string {
	if r.InstanceId != "" {
		return TargetApsaraRDS
	}
	return TargetMySQL
}

// GraceTime is Grace as a duration. Call it on a validated request.
func (r Request) GraceTime() time.Duration { return mustDuration(r.Grace, DefaultGrace) }

// PatienceTime is Patience as a duration. Call it on a validated request.
func (r Request) PatienceTime() time.Duration { return mustDuration(r.Patience, DefaultPatience) }

func mustDuration(s string, def time.Duration) time.Duration {
	if d, err := time.ParseDuration(s); err == nil {
		return d
	}
	return def
}

// NameInARN gives the name and region of a secret from its ARN. What is no whole ARN is a name, whose region is not known.
func NameInARN(s string) (name, region string) {
	if m := awsARN.FindStringSubmatch(s); m != nil {
		return awsSuffix.ReplaceAllString(m[3], ""), m[1]
	}
	if m := alibabaARN.FindStringSubmatch(s); m != nil {
		return m[3], m[1]
	}
	return s, ""
}
