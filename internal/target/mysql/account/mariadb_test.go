package account_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/stretchr/testify/require"
)

// mariadbDocument prints the JSON of mysql.global_priv without what is zero, and without password and times. Other tables
// have a column of that name, too, which stays as it is.
func (w *world) mariadbDocument(t require.TestingT, text, table string) string {
	if table != "global_priv" {
		return text
	}
	var document map[string]any
	require.NoError(t, json.Unmarshal([]byte(text), &document))
	var out strings.Builder
	for _, key := range slices.Sorted(maps.Keys(document)) {
		switch value := document[key]; {
		case key == "authentication_string" || key == "password_last_changed" || key == "version_id":
		case value == nil || value == "" || value == 0.0 || value == false || key == "password_lifetime" && value == -1.0:
		default:
			fmt.Fprintf(&out, "%s:%v ", key, value)
		}
	}
	return out.String()
}
