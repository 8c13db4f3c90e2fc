package rotation_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/rotation"
)

const canary = "canary-Pa55-word"

func document(t *testing.T, text string) (*rotation.Document, error) {
	t.Helper()
	return rotation.ParseDocument("orders", rotation.AlibabaDialect, rotation.NewSecret(text))
}

func TestDocument(t *testing.T) {
	doc, err := document(t, `{"AccountName":"app","AccountPassword":"p<&>'\"\\","Endpoint":"db.example","Port":"3307","DBName":"shop","SSL":"TRUE","MasterSecret":"admin"}`)
	require.NoError(t, err)
	require.Equal(t, "app", doc.Account)
	require.Equal(t, `p<&>'"\`, doc.Password.Reveal())
	require.Equal(t, rotation.Place{Host: "db.example", Port: 3307, Database: "shop", TLS: rotation.TLSRequired}, doc.Place)
	require.Equal(t, "admin", doc.Admin)
	require.Equal(t, "app_rt", doc.Pair().Standby("app"))
	require.Equal(t, "app", doc.Pair().Standby("app_rt"))
}

func TestDocumentTLSAndPort(t *testing.T) {
	for name, test := range map[string]struct {
		fields string
		tls    rotation.TLSMode
		port   int
	}{
		"absent":        {``, rotation.TLSPreferred, 3306},
		"null":          {`,"SSL":null,"Port":null`, rotation.TLSPreferred, 3306},
		"true":          {`,"SSL":true,"Port":1`, rotation.TLSRequired, 1},
		"false":         {`,"SSL":false`, rotation.TLSOff, 3306},
		"text in a mix": {`,"SSL":"False","Port":"65535"`, rotation.TLSOff, 65535},
	} {
		t.Run(name, func(t *testing.T) {
			doc, err := document(t, `{"AccountName":"app","AccountPassword":"x","Endpoint":"db"`+test.fields+`}`)
			require.NoError(t, err)
			require.Equal(t, test.tls, doc.Place.TLS)
			require.Equal(t, test.port, doc.Place.Port)
		})
	}
}

func TestUnknownFieldsSurviveToTheByte(t *testing.T) {
	const text = `{"z": 1.0e2,"AccountName":"app", "AccountPassword":"old","Endpoint":"db","nested":{"b":[1, 2],"a":"\u00e9<"},"big":12345678901234567890}`
	doc, err := document(t, text)
	require.NoError(t, err)
	changed := doc.With("app_rt", rotation.NewSecret(`n"e<w`)).Reveal()
	require.Equal(t, `{"z":1.0e2,"AccountName":"app_rt","AccountPassword":"n\"e<w","Endpoint":"db","nested":{"b":[1, 2],"a":"\u00e9<"},"big":12345678901234567890}`, changed)
	again, err := document(t, changed)
	require.NoError(t, err)
	require.Equal(t, `n"e<w`, again.Password.Reveal())
	require.True(t, doc.SameBut(again))
	reordered, err := document(t, `{"big":12345678901234567890,"nested":{"a":"é\u003c","b":[1,2]},"Endpoint":"db","AccountPassword":"x","AccountName":"y","z":1.0e2}`)
	require.NoError(t, err)
	require.True(t, doc.SameBut(reordered), "another program may write it another way")
	renumbered, err := document(t, `{"big":12345678901234567891,"nested":{"a":"é\u003c","b":[1,2]},"Endpoint":"db","AccountPassword":"x","AccountName":"y","z":1.0e2}`)
	require.NoError(t, err)
	require.False(t, doc.SameBut(renumbered))
	other, err := document(t, `{"AccountName":"app","AccountPassword":"old","Endpoint":"elsewhere"}`)
	require.NoError(t, err)
	require.False(t, doc.SameBut(other))
}

func TestBadDocumentsNameTheFieldAndQuoteNothing(t *testing.T) {
	for name, test := range map[string]struct{ text, problem string }{
		"not JSON":             {canary, "no JSON object"},
		"a list":               {`["` + canary + `"]`, "no JSON object"},
		"cut off":              {`{"AccountPassword":"` + canary + `"`, "no JSON object"},
		"two objects":          {`{"AccountPassword":"` + canary + `"}{}`, "no JSON object"},
		"empty":                {``, "no JSON object"},
		"no account":           {`{"AccountPassword":"` + canary + `","Endpoint":"db"}`, "AccountName is missing"},
		"empty account":        {`{"AccountName":"","AccountPassword":"` + canary + `","Endpoint":"db"}`, "AccountName of its document is empty"},
		"no password":          {`{"AccountName":"a","Endpoint":"db"}`, "AccountPassword is missing"},
		"password is a number": {`{"AccountName":"a","AccountPassword":99887766,"Endpoint":"db"}`, "AccountPassword of its document is not a string"},
		"no endpoint":          {`{"AccountName":"a","AccountPassword":"` + canary + `"}`, "Endpoint is missing"},
		"bad port":             {`{"AccountName":"a","AccountPassword":"` + canary + `","Endpoint":"db","Port":"x"}`, "Port"},
		"port out of range":    {`{"AccountName":"a","AccountPassword":"` + canary + `","Endpoint":"db","Port":70000}`, "Port"},
		"bad SSL":              {`{"AccountName":"a","AccountPassword":"` + canary + `","Endpoint":"db","SSL":"maybe"}`, "SSL"},
		"a field twice":        {`{"AccountName":"a","AccountPassword":"` + canary + `","AccountPassword":"` + canary + `2","Endpoint":"db"}`, "twice"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := document(t, test.text)
			require.ErrorContains(t, err, test.problem)
			require.ErrorContains(t, err, "orders")
			require.Equal(t, rotation.Permanent, rotation.KindOf(err))
			require.NotContains(t, err.Error(), canary)
			require.NotContains(t, err.Error(), "99887766")
		})
	}
}

func TestSecretsPrintAsStars(t *testing.T) {
	s := rotation.NewSecret(canary)
	holder := struct{ S rotation.Secret }{s}
	asJSON, err := json.Marshal(holder)
	require.NoError(t, err)
	for name, text := range map[string]string{
		"%v": fmt.Sprintf("%v", holder), "%+v": fmt.Sprintf("%+v", holder), "%#v": fmt.Sprintf("%#v", holder), "%s": fmt.Sprintf("%s", s), "%q": fmt.Sprintf("%q", s),
		"%x": fmt.Sprintf("%x", s), "%d": fmt.Sprintf("%d", s), "pointer": fmt.Sprintf("%+v", &s), "json": string(asJSON), "slog": s.LogValue().String(),
	} {
		require.NotContains(t, text, canary, name)
		require.NotContains(t, text, fmt.Sprintf("%x", canary), name)
	}
	require.Equal(t, canary, s.Reveal())
}

func TestAWSDocument(t *testing.T) {
	parse := func(text string) (*rotation.Document, error) {
		return rotation.ParseDocument("orders", rotation.AWSDialect, rotation.NewSecret(text))
	}
	const rest = `"username":"app","password":"p","host":"db.example"`
	doc, err := parse(`{"engine":"mysql",` + rest + `,"port":3307,"dbname":"shop","ssl":true,"masterarn":"arn:aws:secretsmanager:eu-west-1:1:secret:admin-AbCdEf"}`)
	require.NoError(t, err)
	require.Equal(t, "app", doc.Account)
	require.Equal(t, rotation.Place{Host: "db.example", Port: 3307, Database: "shop", TLS: rotation.TLSRequired}, doc.Place)
	require.Equal(t, "arn:aws:secretsmanager:eu-west-1:1:secret:admin-AbCdEf", doc.Admin)
	require.Equal(t, "app_clone", doc.Pair().Standby("app"))
	for _, engine := range []string{"mariadb", "aurora-mysql", "MySQL"} {
		_, err := parse(`{"engine":"` + engine + `",` + rest + `}`)
		require.NoError(t, err)
	}
	for name, test := range map[string]struct{ engine, words string }{
		"missing":  {``, "field engine is missing"},
		"other":    {`"engine":"postgres",`, "known: mysql, mariadb, aurora-mysql"},
		"no text":  {`"engine":8,`, "field engine of its document is not a string"},
		"no value": {`"engine":"",`, "field engine of its document is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parse("{" + test.engine + rest + "}")
			require.ErrorContains(t, err, test.words)
			require.Equal(t, rotation.Permanent, rotation.KindOf(err))
		})
	}
}
