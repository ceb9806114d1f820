package conformance

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// corruption is what no registry may ever answer: bytes that are not what their
// digest says.
type corruption struct{ what string }

func (c *corruption) Error() string { return "wrong bytes: " + c.what }

// puller reads manifests with all that is below them and compares every byte
// with its digest. It reads nothing twice.
type puller struct {
	client *client
	repo   string
	seen   map[digest.Digest][]byte
}

func newPuller(c *client, repo string) *puller {
	return &puller{client: c, repo: repo, seen: map[digest.Digest][]byte{}}
}

// pull reads what a tag or digest names and returns the digest of the root.
func (p *puller) pull(ctx context.Context, reference string) (digest.Digest, error) {
	mediaType, data, err := p.client.manifest(ctx, p.repo, reference)
	if err != nil {
		return "", err
	}
	root := digest.Digest(reference)
	if root.Validate() != nil { // a tag
		root = digest.FromBytes(data)
	}
	return root, p.manifest(ctx, v1.Descriptor{MediaType: mediaType, Digest: root, Size: int64(len(data))}, data)
}

// manifest takes a manifest that was read and reads what it names.
func (p *puller) manifest(ctx context.Context, d v1.Descriptor, data []byte) error {
	if err := p.keep(d, data); err != nil {
		return err
	}
	var m struct {
		MediaType string
		Config    *v1.Descriptor
		Layers    []v1.Descriptor
		Manifests []v1.Descriptor
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return fmt.Errorf("manifest %s: %w", d.Digest, err)
	}
	if m.MediaType != "" && m.MediaType != d.MediaType {
		return &corruption{fmt.Sprintf("manifest %s of type %s is served as %s", d.Digest, m.MediaType, d.MediaType)}
	}
	if m.Config != nil {
		m.Layers = append(m.Layers, *m.Config)
	}
	for _, layer := range m.Layers {
		if err := p.blob(ctx, layer); err != nil {
			return err
		}
	}
	for _, child := range m.Manifests {
		if _, ok := p.seen[child.Digest]; ok {
			continue
		}
		_, data, err := p.client.manifest(ctx, p.repo, child.Digest.String())
		if err == nil {
			err = p.manifest(ctx, child, data)
		}
		if err != nil {
			return fmt.Errorf("child of %s: %w", d.Digest, err)
		}
	}
	return nil
}

func (p *puller) blob(ctx context.Context, d v1.Descriptor) error {
	if _, ok := p.seen[d.Digest]; ok {
		return nil
	}
	data, err := p.client.blob(ctx, p.repo, d.Digest)
	if err != nil {
		return err
	}
	return p.keep(d, data)
}

func (p *puller) keep(d v1.Descriptor, data []byte) error {
	if got := d.Digest.Algorithm().FromBytes(data); got != d.Digest || d.Size != int64(len(data)) {
		return &corruption{fmt.Sprintf("%s/%s of %d bytes is served as %s of %d", p.repo, d.Digest, d.Size, got, len(data))}
	}
	p.seen[d.Digest] = data
	return nil
}
