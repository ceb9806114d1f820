package oci

import "regexp"

// Patterns of the OCI distribution specification, "Pulling manifests".
var (
	tagForm        = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$`)
	repositoryForm = regexp.MustCompile(`^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$`)
)

// MaxRepository is the longest name of a repository, in characters, that all common
// clients take.
const MaxRepository = 255

// IsTag reports whether s can be a tag.
func IsTag(s string) bool { return tagForm.MatchString(s) }

// IsRepository reports whether s can be a repository, or a part of one.
func IsRepository(s string) bool { return len(s) <= MaxRepository && repositoryForm.MatchString(s) }
