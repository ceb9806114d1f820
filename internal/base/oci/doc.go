// Package oci is the vocabulary of registries that every other package shares:
// names and tags, what a digest is and when two are of the same content, what a
// manifest says, the paths of the API, and the codes and body of its errors. It knows
// no network, no files and no policy.
package oci
