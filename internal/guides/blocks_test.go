package guides_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// block is a fenced part of a guide.
type block struct {
	// language and kind are the two words after the fence: "sh worker" is run beside those that follow, "sh dev" likewise and before them;
	// "sh" belongs to every way through the guide, "sh self-managed" to one.
	language, kind string
	text           string
}

const (
	kindDev    = "dev"
	kindWorker = "worker"
)

// blocks are those of a guide, in their order.
func blocks(t *testing.T, guide string) (list []block) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../docs", guide))
	require.NoError(t, err)
	for _, part := range regexp.MustCompile("(?ms)^```([^\n]*)\n(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
		language, kind, _ := strings.Cut(part[1], " ")
		list = append(list, block{language, kind, part[2]})
	}
	require.Equal(t, strings.Count(string(text), "```"), 2*len(list), "a fence of %s does not stand at the beginning of a line", guide)
	return list
}

// way are the blocks that somebody runs who takes one way through a guide.
func way(t *testing.T, guide, name string) (list []block) {
	t.Helper()
	for _, one := range blocks(t, guide) {
		if one.language == "sh" && (one.kind == "" || one.kind == kindDev || one.kind == kindWorker || one.kind == name) {
			list = append(list, one)
		}
	}
	return list
}

// What a guide shows and this test does not run is counted, so that nothing slips out of it: the exports for one's own secret.
func TestWhatIsNotRun(t *testing.T) {
	for guide, want := range map[string]struct {
		ways       []string
		run, shown int
	}{
		"moving-from-function-compute.md": {ways: []string{"self-managed", "apsara-rds"}, run: 11, shown: 1},
		"moving-from-lambda.md":           {run: 8, shown: 1},
	} {
		t.Run(guide, func(t *testing.T) {
			run, shown := 0, 0
			for _, one := range blocks(t, guide) {
				switch one.language {
				case "sh":
					run++
					require.Contains(t, append([]string{"", kindDev, kindWorker}, want.ways...), one.kind, one.text)
				case "text":
					shown++
				default:
					require.Fail(t, "a block is neither run nor shown: start it with sh or text", one.text)
				}
			}
			require.Equal(t, want.run, run, "run")
			require.Equal(t, want.shown, shown, "shown")
		})
	}
}
