// Package nonstop has rotations by the hundreds, beneath clients that log in without pause: the steps' own code, real SDKs against the
// simulated cloud, a real server, and a worker that dies at any statement.
package nonstop
