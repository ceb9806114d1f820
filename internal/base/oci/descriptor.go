package oci

import (
	"fmt"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// CheckDescriptor fails for a descriptor of nothing that can be.
func CheckDescriptor(d v1.Descriptor) error {
	if !IsDigest(string(d.Digest)) {
		return fmt.Errorf("%.200q is not a sha256 or sha512 digest", d.Digest)
	}
	if d.Size < 0 {
		return fmt.Errorf("%s is said to have %d bytes", d.Digest, d.Size)
	}
	return nil
}
