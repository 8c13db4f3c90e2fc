package cloudsim

import (
	"strings"
	"sync"
	"time"
)

// quotaList has the quotas of writes that are in force.
type quotaList struct {
	mu        sync.Mutex
	perSecond map[string]int
	// taken are the times of the latest writes, oldest first, no more than the quota.
	taken map[quotaKey][]time.Time
}

// quotaKey is what a quota is of.
type quotaKey struct{ api, account, region string }

// SetQuota has an API take no more than so many writes of one account in one region within any second; others are answered that there are too
// many. 0 takes the quota off.
func (c *Cloud) SetQuota(api string, writesPerSecond int) {
	q := &c.quotas
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.perSecond == nil {
		q.perSecond, q.taken = map[string]int{}, map[quotaKey][]time.Time{}
	}
	q.perSecond[api] = writesPerSecond
	clear(q.taken)
}

// exceeded says whether a request is one too many, and counts it if it is not.
func (q *quotaList) exceeded(r Request) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	quota := q.perSecond[r.API]
	if quota == 0 || !r.Writes() {
		return false
	}
	key := quotaKey{r.API, r.Account, r.Region}
	taken := q.taken[key]
	if len(taken) >= quota {
		if r.Time.Sub(taken[0]) < time.Second {
			return true
		}
		taken = taken[1:]
	}
	q.taken[key] = append(taken, r.Time)
	return false
}

// Writes says whether the request is one that changes something.
func (r Request) Writes() bool {
	for _, reading := range []string{"Get", "BatchGet", "List", "Describe"} {
		if strings.HasPrefix(r.Action, reading) {
			return false
		}
	}
	return true
}
