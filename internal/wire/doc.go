// Package wire is the way of requests that carry secrets to a cloud's API and of the answers back: connections that show
// nothing of them to proxies, logs and other machines, and failures that quote nothing of them.
package wire
