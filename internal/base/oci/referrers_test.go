package oci

import (
	_ "crypto/sha512" // for its digests
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
)

func TestReferrersTags(t *testing.T) {
	for _, algorithm := range []digest.Algorithm{digest.SHA256, digest.SHA512} {
		d := algorithm.FromString("x")
		tag := ReferrersTag(d)
		if len(tag) > 128 || !strings.HasPrefix(tag, algorithm.String()+"-"+d.Encoded()[:64]) {
			t.Errorf("%s has the tag %s", d, tag)
		}
		for _, ending := range []string{"", ".sig", ".att", ".sbom"} {
			if subject, got, ok := SplitReferrersTag(tag + ending); !ok || subject != tag || got != ending {
				t.Errorf("%s%s: %q, %q, %v", tag, ending, subject, got, ok)
			}
		}
	}
	for _, tag := range []string{"latest", "sha256-abc", "md5-" + strings.Repeat("0", 64), "sha256-" + strings.Repeat("0", 65), "sha256-" + strings.Repeat("G", 64), "sha256-" + strings.Repeat("0", 31) + "G" + strings.Repeat("0", 32),
		"sha256-" + strings.Repeat("0", 64) + ".", "sha256-" + strings.Repeat("0", 64) + "-sig"} {
		if _, _, ok := SplitReferrersTag(tag); ok {
			t.Errorf("%s belongs to another", tag)
		}
	}
}
