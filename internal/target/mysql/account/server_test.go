package account

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"rotor/internal/rotation"
)

func TestServersAreRecognised(t *testing.T) {
	legacy := capabilities{}
	mysql57 := capabilities{alterUser: true, ifExists: true, lock: true}
	mysql80 := capabilities{alterUser: true, ifExists: true, lock: true, dynamic: true, requireCurrent: true, secondPasswords: true, atomicAccounts: true}
	mariadb := capabilities{alterUser: true, ifExists: true, lock: true, viaPassword: true, revokeAdmin: true}
	tests := map[string]struct {
		version, comment string
		flavour          Flavour
		number           Version
		can              capabilities
		length           int
	}{
		"5.6":                    {"5.6.24", "MySQL Community Server (GPL)", MySQL, Version{5, 6, 24}, legacy, 16},
		"5.7 of a distribution":  {"5.7.42-0ubuntu0.18.04.1-log", "(Ubuntu)", MySQL, Version{5, 7, 42}, mysql57, 32},
		"8.0":                    {"8.0.46", "", MySQL, Version{8, 0, 46}, mysql80, 32},
		"8.4":                    {"8.4.6", "", MySQL, Version{8, 4, 6}, mysql80, 32},
		"9":                      {"9.7.4-2", "(Debian)", MySQL, Version{9, 7, 4}, mysql80, 32},
		"newer than this":        {"26.1.0", "", MySQL, Version{26, 1, 0}, mysql80, 32},
		"MariaDB":                {"10.11.19-MariaDB-0+deb12u1", "Debian 12", MariaDB, Version{10, 11, 19}, mariadb, 80},
		"MariaDB with prefix":    {"5.5.5-10.6.12-MariaDB-log", "", MariaDB, Version{10, 6, 12}, mariadb, 80},
		"MariaDB by its comment": {"11.8.2", "mariadb.org binary distribution", MariaDB, Version{11, 8, 2}, mariadb, 80},
		"old MariaDB":            {"10.1.48-MariaDB", "", MariaDB, Version{10, 1, 48}, capabilities{revokeAdmin: true}, 80},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s, err := recognise(test.version, test.comment)
			require.NoError(t, err)
			require.Equal(t, test.flavour, s.Flavour)
			require.Equal(t, test.number, s.Version)
			require.Equal(t, test.can, s.can)
			require.Equal(t, test.length, s.UserLength)
		})
	}
	for name, version := range map[string]string{"too old": "5.5.62", "old MariaDB": "10.0.38-MariaDB", "another server": "8.0.11-TiDB-v7.5.0", "no version": "unknown"} {
		t.Run(name, func(t *testing.T) {
			_, err := recognise(version, "")
			require.Equal(t, rotation.Permanent, rotation.KindOf(err))
		})
	}
}

func TestUserNamesThatAServerWouldChange(t *testing.T) {
	s := Server{UserLength: 16}
	require.NoError(t, s.CheckUser("sixteen letters!"))
	require.NoError(t, s.CheckUser("éééééééééééééééé"), "characters, not bytes")
	for name, user := range map[string]string{
		"empty": "", "too long": "seventeen letters", "a character beyond the basic plane": "app😀", "a space at the end": "app ",
		"not UTF-8": "app\xff", "a zero byte": "app\x00",
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, rotation.Permanent, rotation.KindOf(s.CheckUser(user)))
		})
	}
}

func TestPasswordPolicies(t *testing.T) {
	for name, test := range map[string]struct {
		variables variables
		want      *Policy
	}{
		"none": {variables{}, nil},
		"component": {variables{"validate_password.policy": "MEDIUM", "validate_password.length": "12", "validate_password.mixed_case_count": "2",
			"validate_password.number_count": "3", "validate_password.special_char_count": "1", "validate_password.check_user_name": "ON"},
			&Policy{Length: 12, Lower: 2, Upper: 2, Digits: 3, Special: 1, NotUserName: true}},
		"component, low":            {variables{"validate_password.policy": "LOW", "validate_password.length": "8", "validate_password.number_count": "1"}, &Policy{Length: 8}},
		"MariaDB's word list alone": {variables{"cracklib_password_check_dictionary": "/usr/share/cracklib/pw_dict"}, &Policy{Dictionary: true}},
		"plugin": {variables{"validate_password_policy": "STRONG", "validate_password_length": "8", "validate_password_dictionary_file": "words"},
			&Policy{Length: 8, Dictionary: true}},
		"MariaDB": {variables{"simple_password_check_minimal_length": "8", "simple_password_check_letters_same_case": "1",
			"simple_password_check_digits": "2", "simple_password_check_other_characters": "3"},
			&Policy{Length: 8, Lower: 1, Upper: 1, Digits: 2, Special: 3, NotUserName: true}},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, test.want, policyOf(test.variables)) })
	}
}

func TestReusePolicies(t *testing.T) {
	set := func(history, days Setting) Set {
		return Set{Accounts: []Account{{}, {Attributes: Attributes{History: history, ReuseDays: days}}}}
	}
	require.False(t, Server{}.KeepsPasswords(Set{}))
	require.True(t, Server{PasswordHistory: 1}.KeepsPasswords(Set{}))
	require.True(t, Server{ReuseDays: 1}.KeepsPasswords(set(Setting{}, Setting{})))
	require.True(t, Server{}.KeepsPasswords(set(Setting{true, 3}, Setting{})))
	require.True(t, Server{}.KeepsPasswords(set(Setting{}, Setting{true, 3})))
	require.False(t, Server{PasswordHistory: 1}.KeepsPasswords(Set{Accounts: []Account{{Attributes: Attributes{History: Setting{true, 0}}}}}))
}

func TestMandatoryRoles(t *testing.T) {
	for text, want := range map[string][]Name{
		"":                                    nil,
		"r1":                                  {{"r1", "%"}},
		"r1,`r 2`@`10.%`,'r,3'@h.example.com": {{"r1", "%"}, {"r 2", "10.%"}, {"r,3", "h.example.com"}},
		"`a@b`@% , c":                         {{"a@b", "%"}, {"c", "%"}},
	} {
		got, err := parseNames(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	_, err := parseNames("r1,")
	require.Error(t, err)
}

func TestWhichHostsShadow(t *testing.T) {
	for name, test := range map[string]struct {
		host, anonymous string
		want            bool
	}{
		"any":                     {"%", "localhost", true},
		"itself":                  {"localhost", "localhost", false},
		"less specific":           {"localhost", "%", false},
		"a network":               {"10.0.0.0/255.255.255.0", "10.0.0.7", true},
		"another network":         {"10.0.0.0/255.255.255.0", "10.0.1.7", false},
		"a smaller network":       {"10.0.0.0/255.255.0.0", "10.0.3.0/24", true},
		"a larger network":        {"10.0.3.0/24", "10.0.0.0/255.255.0.0", false},
		"a pattern":               {"%.example.com", "db.Example.com", true},
		"another pattern":         {"%.example.com", "db.example.org", false},
		"no wildcard":             {`a\_b`, "axb", false},
		"one character":           {"a_b", "axb", true},
		"an address and a domain": {"10.0.0.0/8", "localhost", false},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, test.want, covers(test.host, test.anonymous)) })
	}
}

// Attributes that this program does not know are an error that names them.
func TestUnknownAttributesAreAnError(t *testing.T) {
	row := func(keys string) *decoder {
		d := &decoder{}
		d.row = nullStrings(map[string]string{"keys": keys})
		return d
	}
	d, a := row(`["metadata", "shoe_size"]`), &Account{}
	d.document(a, Server{Flavour: MySQL})
	require.ErrorContains(t, d.err, "shoe_size")
	d = row(`["plugin", "auth_or", "access"]`)
	d.document(a, Server{Flavour: MariaDB})
	require.NoError(t, d.err)
	require.NotEmpty(t, Server{Flavour: MariaDB}.unclonable(a.Attributes))
	d = row(`["multi_factor_authentication", "additional_password"]`)
	d.document(a, Server{Flavour: MySQL})
	require.NoError(t, d.err)
	require.True(t, a.SecondPassword)

	server := Server{userColumns: map[string]column{"user": {}, "select_priv": {}, "plugin": {}, "shoe_size": {}}}
	require.Equal(t, []string{"shoe_size"}, server.unknownColumns())
	_, err := reader{server: server}.account(nullStrings(map[string]string{"unknown:shoe_size": "0"}))
	require.ErrorContains(t, err, "mysql.user.shoe_size")
	_, err = reader{server: server}.account(nullStrings(map[string]string{"unknown:shoe_size": "1"}))
	require.NoError(t, err)
}

// The patch between two objects makes one of the other, by the rules of RFC 7396.
func TestMergePatches(t *testing.T) {
	var merge func(target, patch any) any
	merge = func(target, patch any) any {
		p, ok := patch.(map[string]any)
		if !ok {
			return patch
		}
		result := map[string]any{}
		if old, ok := target.(map[string]any); ok {
			for k, v := range old {
				result[k] = v
			}
		}
		for k, v := range p {
			if v == nil {
				delete(result, k)
				continue
			}
			result[k] = merge(result[k], v)
		}
		return result
	}
	leaf := rapid.SampledFrom([]any{"x", "<&>", true, []any{"a", nil}})
	inner := rapid.MapOfN(rapid.SampledFrom([]string{"a", "b"}), leaf, 0, 2)
	object := rapid.MapOfN(rapid.SampledFrom([]string{"a", "b", "c"}), rapid.OneOf(leaf, rapid.Map(inner, func(m map[string]any) any { return m })), 0, 3)
	rapid.Check(t, func(t *rapid.T) {
		want, err := encodeJSON(object.Draw(t, "want"))
		require.NoError(t, err)
		have, err := encodeJSON(object.Draw(t, "have"))
		require.NoError(t, err)
		patch, err := jsonObject(mergePatch(want, have))
		require.NoError(t, err)
		old, err := jsonObject(have)
		require.NoError(t, err)
		got, err := encodeJSON(merge(old, patch).(map[string]any))
		require.NoError(t, err)
		require.Equal(t, want, got, "%s from %s", patch, have)
	})
}
