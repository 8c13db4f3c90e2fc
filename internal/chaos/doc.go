// Package chaos has a test that rotates many secrets of all kinds at once while workers are killed, servers restarted and requests broken
// off, and then audits every secret. See make chaos.
package chaos
