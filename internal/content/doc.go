// Package content is the wing of what is moved, as it is on this machine: how it is
// packed (artifact), how archives of others are read (archive), directories and tars
// of images (layout), what is kept for the next time (cache), and which digest each tag
// had (lockfile).
//
// It knows no network, and nothing of who runs a registry.
package content
