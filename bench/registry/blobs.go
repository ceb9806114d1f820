//go:build unix

package registry

import (
	"context"
	cryptorand "crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	small = 1 << 20
	large = 100 << 20

	manifestType = "application/vnd.oci.image.manifest.v1+json"
	emptyDigest  = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a" // of {}

	repos     = 8 // that blobs are spread over
	tagsRepo  = "bench/tags"
	tagPrefix = "tag-"

	taggedRepo = "bench/tagged" // whose only manifest gets tags
)

// blob is random content in a file, and where it is pushed to.
type blob struct {
	file, repo, digest string
	size               int64
}

func (b blob) tag() string          { return strings.TrimPrefix(b.digest, "sha256:")[:16] }
func (b blob) path() string         { return "/v2/" + b.repo + "/blobs/" + b.digest }
func (b blob) manifestPath() string { return "/v2/" + b.repo + "/manifests/" + b.tag() }
func (b blob) manifest() []byte     { return manifest(b.digest, b.size) }

// manifest is an image manifest of one layer and the empty config.
func manifest(layer string, size int64) []byte {
	return fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"artifactType":"application/vnd.berth.bench",`+
		`"config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":%q,"size":2},`+
		`"layers":[{"mediaType":"application/octet-stream","digest":%q,"size":%d}]}`, manifestType, emptyDigest, layer, size)
}

// referrerMark is a key that each referrer has once.
const referrerMark = "bench.n"

// referrer is a manifest that refers to another one; n makes it unique.
func referrer(subject []byte, n int) []byte {
	return fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"artifactType":"application/vnd.berth.bench",`+
		`"config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":%q,"size":2},"layers":[],`+
		`"subject":{"mediaType":%[1]q,"digest":"sha256:%[3]x","size":%d},"annotations":{%q:"%d"}}`,
		manifestType, emptyDigest, sha256.Sum256(subject), len(subject), referrerMark, n)
}

// blobs are what one round pushes: a set for each pushing row, so that no blob
// is there before.
type blobs struct{ four, eight, large []blob }

// makeBlobs fills dir with new blobs in place of those of the last round.
func makeBlobs(dir string, count, countLarge int) (b blobs, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return b, err
	}
	var seed [32]byte
	cryptorand.Read(seed[:])
	random := rand.NewChaCha8(seed)
	for _, set := range []struct {
		to    *[]blob
		name  string
		count int
		size  int64
	}{{&b.four, "four", count, small}, {&b.eight, "eight", count, small}, {&b.large, "large", countLarge, large}} {
		for i := range set.count {
			one := blob{file: filepath.Join(dir, fmt.Sprintf("%s-%d", set.name, i)), repo: fmt.Sprintf("bench/r%d", i%repos), size: set.size}
			if one.digest, err = writeRandom(one.file, random, one.size); err != nil {
				return b, err
			}
			*set.to = append(*set.to, one)
		}
	}
	return b, nil
}

// writeRandom writes a file and returns its digest.
func writeRandom(file string, random io.Reader, size int64) (digest string, err error) {
	f, err := os.Create(file)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	_, err = io.CopyN(io.MultiWriter(f, h), random, size)
	return fmt.Sprintf("sha256:%x", h.Sum(nil)), errors.Join(err, f.Close())
}

// prepare pushes the config that all manifests of a round share.
func (s *session) prepare(ctx context.Context, v *server) error {
	if v.bare {
		return nil
	}
	clients, err := s.clients(ctx, v, 1)
	if err != nil {
		return err
	}
	defer clients[0].close()
	shared := []string{taggedRepo}
	for i := range repos {
		shared = append(shared, fmt.Sprintf("bench/r%d", i))
	}
	for _, repo := range shared {
		if err := clients[0].upload(repo, emptyDigest, strings.NewReader("{}"), 2); err != nil {
			return err
		}
	}
	return nil
}

// seed pushes the tags that are listed later, once for all rounds.
func (s *session) seed(ctx context.Context, c contender) (err error) {
	if c.bare {
		return nil
	}
	v, err := start(ctx, c, s.home(c))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, v.stop()) }()
	clients, err := s.clients(ctx, v, 8)
	if err != nil {
		return err
	}
	if err := clients[0].upload(tagsRepo, emptyDigest, strings.NewReader("{}"), 2); err != nil {
		return err
	}
	begin := time.Now()
	tagged := row{ops: s.Tags, do: func(c *client, i int) error {
		return c.pushManifest(tagsRepo, fmt.Sprintf("%s%05d", tagPrefix, i), manifest(emptyDigest, 2))
	}}
	_, _, err = tagged.run(ctx, clients, 0)
	fmt.Fprintf(os.Stderr, "%s: %d tags in %v\n", c.name, s.Tags, time.Since(begin).Round(time.Millisecond))
	return err
}
