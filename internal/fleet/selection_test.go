package fleet

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/rotation"
)

func named(n int, more ...func(*Item)) (items []Item) {
	for i := range n {
		item := Item{Request: rotation.Request{SecretName: fmt.Sprintf("s%d", i), RegionId: "r-1", Store: rotation.StoreAlibabaKMS}}
		for _, m := range more {
			m(&item)
		}
		items = append(items, item)
	}
	return items
}

func TestSplitKeepsWithinPayloads(t *testing.T) {
	for name, test := range map[string]struct {
		items []Item
		parts int
	}{
		"none":                {nil, 0},
		"one":                 {named(1), 1},
		"a whole part":        {named(mostItems), 1},
		"and one more":        {named(mostItems + 1), 2},
		"twenty thousand":     {named(20_000), 40},
		"long ones go sooner": {named(500, func(i *Item) { i.Target = strings.Repeat("x", 2000) }), 6},
	} {
		t.Run(name, func(t *testing.T) {
			parts, err := Split("tonight", test.items)
			require.NoError(t, err)
			require.Len(t, parts, test.parts)
			var all []Item
			var sizes []int
			for n, p := range parts {
				require.Equal(t, n, p.Number)
				text, err := json.Marshal(p)
				require.NoError(t, err)
				require.Less(t, len(text), 256<<10)
				all = append(all, p.Items...)
				sizes = append(sizes, len(p.Items))
			}
			require.Equal(t, test.items, all)
			for i := 0; i < len(all); i += 97 {
				want := all[i]
				part, within := Find(sizes, i)
				require.Equal(t, want, parts[part].Items[within])
				require.Equal(t, i, First(sizes, part)+within)
			}
		})
	}
}

func TestSpreadTakesTurns(t *testing.T) {
	var items []Item
	for _, target := range []string{"a", "a", "a", "b", "b", "c"} {
		items = append(items, Item{Request: rotation.Request{SecretName: fmt.Sprint(target, len(items))}, Target: target})
	}
	var order []string
	for _, item := range Spread(items) {
		order = append(order, item.Request.SecretName)
	}
	require.Equal(t, []string{"a0", "b3", "c5", "a1", "b4", "a2"}, order)
}

func TestNameInID(t *testing.T) {
	require.Equal(t, "tonight", NameIn(WorkflowID("tonight")))
	require.Empty(t, NameIn(PartID("tonight", 3)))
	require.Empty(t, NameIn("rotate/a/b/c"))
}
