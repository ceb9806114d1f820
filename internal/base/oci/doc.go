// Package oci is the vocabulary of registries that every other package shares:
// what a digest is and when two are of the same content, and what a manifest
// says. It reads and compares; it knows no network, no files and no policy.
package oci
