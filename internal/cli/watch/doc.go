// Package watch shows what a rotation is doing from what Temporal keeps of it: the history, the description with the
// attempts that are under way, and, where a worker answers, the status query. History and description alone are enough
// to say which step is at what, so a rotation can be looked at while no worker runs.
package watch
