// Package prometheus tests what a worker serves with Prometheus itself: the names of its metrics, the alert rules, and that each alert
// comes from a real fault.
package prometheus
