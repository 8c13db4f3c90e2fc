// Package guides follows the migration guides in docs: its test runs their commands as they stand in the text, in their order, with the
// programs installed under the names that packages give them and the simulated cloud in place of the clouds.
package guides
