// Package compose loads docker-compose.yml by Docker's own loader, holds what stands in it, in the Dockerfile and in deploy/kubernetes
// against the programs, and starts the same processes in the same order without containers.
package compose
