// Package move is the wing that moves artifacts by the policies of a config: push,
// pull, copy, and what is listed, tagged and removed (transfer).
//
// It knows the distribution API only: which registry it is, and whether it runs on this
// machine, is the same to it.
package move
