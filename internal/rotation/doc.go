// Package rotation is the domain: what a rotation is asked for, what the documents of secrets say, which account
// is whose partner, what went wrong, and what each step decides from what it saw. It knows neither Temporal nor
// a cloud nor a database driver; those are on the other side of the interfaces in secretstore and target.
package rotation
