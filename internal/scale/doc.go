// Package scale has a test that rotates many secrets by a fleet, on real servers, while workers are killed and Temporal is restarted, and measures
// what that takes. See make scale.
package scale
