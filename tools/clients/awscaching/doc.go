// Package awscaching tests the simulated Secrets Manager with AWS's caching clients, which applications read secrets
// with: the one over the SDK's second version and the one over its first, which signs with other code.
package awscaching
