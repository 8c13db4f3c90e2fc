package cloudsim

import (
	"slices"
	"sync"
)

// valueList is what arrived in authenticated requests.
type valueList struct {
	mu   sync.Mutex
	list []string
}

func (l *valueList) add(value string) {
	if value == "" {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, value)
}

// Values gives the values of secrets and the passwords that requests came with, those of requests that were refused included. They are for a search
// of what must not hold them, and stand nowhere else.
func (c *Cloud) Values() []string {
	c.values.mu.Lock()
	defer c.values.mu.Unlock()
	return slices.Clone(c.values.list)
}
