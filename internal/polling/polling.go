// Package polling waits in tests for what comes about by itself.
package polling

import (
	"testing"
	"time"
)

// Eventually polls until the condition holds, or fails the test. Between two looks it waits twice as long as the first of them took, for many a
// look is a command that keeps the servers busy which are being waited for.
func Eventually(t *testing.T, within time.Duration, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(within); ; {
		began := time.Now()
		if condition() {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %s still not: %s", within, what)
		}
		time.Sleep(min(max(2*time.Since(began), 20*time.Millisecond), time.Second))
	}
}
