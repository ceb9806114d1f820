package oci

import (
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
)

// referrersHex is how much of a digest's hex the tag of a list of referrers takes.
const referrersHex = 64

// ReferrersTag returns the tag by which clients keep the list of what refers to d where
// a registry or layout keeps none: the referrers tag schema of distribution-spec 1.1.
func ReferrersTag(d digest.Digest) string {
	encoded := d.Encoded()
	return d.Algorithm().String() + "-" + encoded[:min(len(encoded), referrersHex)]
}

// SplitReferrersTag takes apart a tag that belongs to another manifest: subject is the
// ReferrersTag of that, and ending what follows, as in the .sig of cosign; it is "" for
// the list itself. ok is false for any other tag.
func SplitReferrersTag(tag string) (subject, ending string, ok bool) {
	algorithm, hex, _ := strings.Cut(tag, "-")
	if len(hex) < referrersHex || !slices.Contains([]string{"sha256", "sha384", "sha512"}, algorithm) {
		return "", "", false
	}
	hex, ending = hex[:referrersHex], hex[referrersHex:]
	if strings.Trim(hex, "0123456789abcdef") != "" || ending != "" && (ending[0] != '.' || ending == ".") {
		return "", "", false
	}
	return algorithm + "-" + hex, ending, true
}
