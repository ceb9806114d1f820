package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/internal/base/oci"
)

// referrer is an entry of the index: the descriptor that the referrers API tells
// of a manifest, see OCI distribution-spec 1.1, "Listing Referrers". Annotations
// and artifact type of a large one are left to the manifest.
type referrer struct {
	v1.Descriptor
	Brief bool `json:"brief,omitempty"` // they are

	encoded int // bytes of its JSON
}

// largestReferrer is the largest descriptor in bytes of JSON that an entry holds.
const largestReferrer = 4 << 10

func referrerOf(d v1.Descriptor) referrer {
	if size := jsonSize(d); size <= largestReferrer {
		return referrer{Descriptor: d, encoded: size}
	}
	d.ArtifactType, d.Annotations = "", nil
	return referrer{Descriptor: d, Brief: true, encoded: jsonSize(d)}
}

// jsonSize is how many bytes of JSON a descriptor takes at most: what has to be
// escaped takes several times what it is.
func jsonSize(d v1.Descriptor) int {
	data, err := json.Marshal(d)
	if err != nil {
		panic(err) // it has nothing that JSON cannot say
	}
	return len(data)
}

// encode returns the file of an entry: the digest of the rest, and JSON.
func (e referrer) encode() ([]byte, error) {
	data, err := json.Marshal(e)
	return append([]byte(digest.FromBytes(data)+"\n"), data...), err
}

var errReferrerDamaged = errors.New("an entry of the index of referrers is damaged")

func decodeReferrer(file []byte) (e referrer, err error) {
	sum, rest, _ := bytes.Cut(file, []byte("\n"))
	if string(sum) != digest.FromBytes(rest).String() || json.Unmarshal(rest, &e) != nil {
		return referrer{}, errReferrerDamaged
	}
	e.encoded = len(rest)
	return e, nil
}

// isEntryName reports whether s has the form of entryName.
func isEntryName(s string) bool {
	subject, canonical, _ := strings.Cut(s, ".")
	return oci.IsDigest("sha256:"+canonical) && (oci.IsDigest("sha256:"+subject) || oci.IsDigest("sha512:"+subject))
}

// entryName is the name of a manifest among the referrers of all subjects. The
// length tells the algorithm of the subject; that of the manifest is canonical.
func entryName(subject, canonical digest.Digest) string {
	return subject.Encoded() + "." + canonical.Encoded()
}

// entry reads one. It fails as the storage does when it is missing, and with
// errReferrerDamaged.
func (r *referrers) entry(ctx context.Context, repo, name string) (referrer, error) {
	leave, err := r.s.enterLoading(ctx)
	if err != nil {
		return referrer{}, err
	}
	defer leave()
	data, err := r.s.driver.GetContent(ctx, referrersEntry(repo, name))
	if err != nil {
		return referrer{}, err
	}
	return decodeReferrer(data)
}

// descriptor is what the referrers API tells of a manifest.
func descriptor(p parsed, d digest.Digest, size int64) v1.Descriptor {
	return v1.Descriptor{MediaType: p.mediaType, Digest: d, Size: size, ArtifactType: p.artifactType, Annotations: p.annotations}
}
