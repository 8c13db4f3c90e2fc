// Package webui opens Temporal's real Web UI in a real browser, as the person does who has to find out what a rotation is up to.
package webui
