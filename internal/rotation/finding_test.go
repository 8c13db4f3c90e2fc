package rotation_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/rotation"
)

// Every word of a finding has a meaning, and there is no other; the reference is made of them.
func TestFindingWordsHaveMeanings(t *testing.T) {
	t.Parallel()
	var words []string
	for _, one := range slices.Concat(rotation.ProblemWords(), rotation.WarningWords()) {
		require.NotEmpty(t, one.Found, one.Word)
		require.NotEmpty(t, one.Do, one.Word)
		words = append(words, one.Word)
	}
	slices.Sort(words)
	require.Equal(t, rotation.FindingWords(), words)
}

// Without findings the first problem is an error; with them it is collected, and the look goes on.
func TestFindings(t *testing.T) {
	t.Parallel()
	problem := rotation.FieldError("Endpoint", "missing").WithCode("7").Advise("add it")
	require.Equal(t, "Endpoint: missing; add it (7)", problem.Error())

	var none *rotation.Findings
	err := none.Problem(rotation.FindingDocument, problem)
	require.EqualError(t, err, problem.Error())
	var named *rotation.Error
	require.ErrorAs(t, err, &named)
	require.Equal(t, rotation.FindingDocument, named.Finding)
	require.Empty(t, problem.Finding, "the error itself stays as it is")
	require.NoError(t, none.Problem(rotation.FindingDocument, nil))
	none.Warning(rotation.WarningPlain, "no TLS")
	none.Saw("nothing")
	none.Back(none.Mark())
	require.Zero(t, none.Problems())

	some := &rotation.Findings{}
	require.NoError(t, some.Problem(rotation.FindingDocument, problem))
	require.NoError(t, some.Problem(rotation.FindingDocument, problem), "the same one counts once")
	require.NoError(t, some.Problem(rotation.FindingDocument, rotation.Errorf(rotation.Permanent, "of its own").Found(rotation.FindingTLS)))
	require.NoError(t, some.Problem(rotation.FindingCurrentLogin, rotation.Errorf(rotation.Retryable, "no answer").WithCode("timeout")))
	mark := some.Mark()
	some.Warning(rotation.WarningPlain, "the login as %s", "app")
	some.Saw("a thing")
	require.Len(t, some.Looked, 1)
	require.Equal(t, rotation.Warning, some.All[3].Severity)
	require.NotEmpty(t, some.All[3].Do)
	some.Back(mark)
	require.Empty(t, some.Looked)
	require.Equal(t, 3, some.Problems())
	require.Equal(t, rotation.Finding{Word: rotation.FindingDocument, Severity: rotation.Problem, Text: "Endpoint: missing (7)", Do: "add it", Field: "Endpoint", Code: "7"}, some.All[0])
	require.Equal(t, rotation.FindingTLS, some.All[1].Word)
	require.Equal(t, rotation.FindingUnreachable, some.All[2].Word)

	// What is not ours, and what was not tried, ends a check, too.
	foreign := errors.New("foreign")
	require.ErrorIs(t, some.Problem(rotation.FindingDocument, foreign), foreign)
	require.Error(t, some.Problem(rotation.FindingDocument, &rotation.Error{Kind: rotation.Retryable, Untried: true, Text: "others are at work"}))
	require.Equal(t, 3, some.Problems())
}
