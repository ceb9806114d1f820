// Package referrers knows the tags by which clients keep what refers to a
// manifest, where registries and layouts do not: the referrers tag schema of
// distribution-spec 1.1, and the tags that cosign sets beside it.
package referrers

import (
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
)

// longest is how much of a digest's hex a tag takes.
const longest = 64

// Tag returns the tag of the list of what refers to d.
func Tag(d digest.Digest) string {
	encoded := d.Encoded()
	return d.Algorithm().String() + "-" + encoded[:min(len(encoded), longest)]
}

// Split takes apart a tag that belongs to another manifest: subject is the Tag of
// that, and ending what follows, as in .sig; it is "" for the list itself. ok is
// false for any other tag.
func Split(tag string) (subject, ending string, ok bool) {
	algorithm, hex, _ := strings.Cut(tag, "-")
	if len(hex) < longest || !slices.Contains([]string{"sha256", "sha384", "sha512"}, algorithm) {
		return "", "", false
	}
	hex, ending = hex[:longest], hex[longest:]
	if strings.Trim(hex, "0123456789abcdef") != "" || ending != "" && (ending[0] != '.' || ending == ".") {
		return "", "", false
	}
	return algorithm + "-" + hex, ending, true
}
