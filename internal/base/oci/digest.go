package oci

import (
	_ "crypto/sha256" // the algorithms that digests have
	_ "crypto/sha512"
	"strings"

	"github.com/opencontainers/go-digest"
)

// IsDigest reports whether a reference is a whole digest of SHA-256 or SHA-512, the
// algorithms that the image-spec registers and that can be computed here; else it
// can be a tag. A digest is safe as part of a URL or a file's name.
func IsDigest(reference string) bool {
	algorithm, hex, _ := strings.Cut(reference, ":")
	switch digest.Algorithm(algorithm) {
	case digest.SHA256:
		return len(hex) == 64 && isHex(hex)
	case digest.SHA512:
		return len(hex) == 128 && isHex(hex)
	}
	return false
}

func isHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// Names reports whether a digest is that of content.
func Names(d digest.Digest, content []byte) bool {
	return IsDigest(d.String()) && d.Algorithm().FromBytes(content) == d
}

// Digests returns all that content may be named by.
func Digests(content []byte) []digest.Digest {
	return []digest.Digest{digest.SHA256.FromBytes(content), digest.SHA512.FromBytes(content)}
}

// Differ reports whether two digests are known to be of different content. Those
// of two algorithms may be of the same, which only the content tells: see Same.
func Differ(a, b digest.Digest) bool {
	return a != b && IsDigest(a.String()) && IsDigest(b.String()) && a.Algorithm() == b.Algorithm()
}

// Same reports whether two digests are of the same content: registries call by a
// sha256 what was pushed by a sha512. content gives what one of them names, and is
// asked for only where the digests do not tell; its error is Same's.
func Same(a, b digest.Digest, content func() ([]byte, error)) (bool, error) {
	if a == b || Differ(a, b) {
		return a == b, nil
	}
	data, err := content()
	return err == nil && Names(a, data) && Names(b, data), err
}
