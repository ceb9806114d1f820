package transfer

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/content/artifact"
)

// packed is an artifact made from a directory, ready to be sent: a Source of one
// layer in a spool, one config and one manifest.
type packed struct {
	layer            ocispec.Descriptor
	config, manifest artifact.Blob
	spool            *spool
}

// newPacked lets pack write the layer, and return the config and manifest around
// it.
func newPacked(spool *spool, pack func(io.Writer) (layer ocispec.Descriptor, config, manifest artifact.Blob, err error)) (*packed, error) {
	p := &packed{spool: spool}
	w := bufio.NewWriterSize(spool, 1<<20)
	var err error
	if p.layer, p.config, p.manifest, err = pack(w); err == nil {
		err = w.Flush()
	}
	spool.end(err)
	if err != nil {
		return nil, err
	}
	return p, nil
}

// Resolve implements Source.
func (p *packed) Resolve(context.Context, string) (ocispec.Descriptor, error) {
	return p.manifest.Descriptor, nil
}

// Manifest implements Source.
func (p *packed) Manifest(context.Context, ocispec.Descriptor) ([]byte, error) {
	return p.manifest.Data, nil
}

// Blob implements Source.
func (p *packed) Blob(_ context.Context, d ocispec.Descriptor, offset int64) (io.ReadCloser, error) {
	switch d.Digest {
	case p.layer.Digest:
		return io.NopCloser(io.NewSectionReader(p.spool.file, offset, p.layer.Size-offset)), nil
	case p.config.Digest:
		return io.NopCloser(bytes.NewReader(p.config.Data[offset:])), nil
	}
	return nil, errors.New("no such blob was packed")
}

// Referrers implements Source.
func (p *packed) Referrers(context.Context, ocispec.Descriptor) ([]ocispec.Descriptor, error) {
	return nil, nil
}

// recipe is what is to be packed: read, named and not packed yet.
type recipe struct {
	name, version string
	exact         bool // the tag must be the version
	pack          func(context.Context, artifact.Compression, *spool) (*packed, error)
}

// directoryRecipe packs a directory of files.
func directoryRecipe(opts PushOptions) (*recipe, error) {
	if err := artifact.CheckDir(opts.Path); err != nil {
		return nil, err
	}
	if opts.Kind.Type.File == "" && opts.Metadata.Version == "" && len(opts.Tags) > 0 {
		opts.Metadata.Version = opts.Tags[0] // there is nothing else that says it
	}
	meta, err := artifact.ReadMetadata(opts.Kind.Type, opts.Path, opts.Metadata)
	if err != nil {
		return nil, err
	}
	return &recipe{name: meta.Name, version: meta.Version, pack: func(ctx context.Context, c artifact.Compression, to *spool) (*packed, error) {
		return newPacked(to, func(w io.Writer) (layer ocispec.Descriptor, config, manifest artifact.Blob, err error) {
			layer, err = artifact.PackLayer(ctx, w, opts.Path, meta.Name, c, opts.packing(meta.Name))
			if err == nil {
				config, manifest, err = artifact.Pack(opts.Kind.Type, meta, layer)
			}
			return layer, config, manifest, err
		})
	}}, nil
}

// moduleRecipe packs a KCL module. What kpm looks for is the version itself.
func moduleRecipe(opts PushOptions) (*recipe, error) {
	if err := artifact.CheckDir(opts.Path); err != nil {
		return nil, err
	}
	module, err := artifact.ReadModule(opts.Path, opts.Metadata)
	if err != nil {
		return nil, err
	}
	return &recipe{name: module.Name, version: module.Version, exact: true, pack: func(ctx context.Context, c artifact.Compression, to *spool) (*packed, error) {
		if c.Zstd {
			return nil, diag.Errorf(diag.Unsupported, "a KCL package cannot be compressed with zstd: no kcl could read it").
				WithHint("leave out --compression, or give gzip or none")
		}
		return newPacked(to, func(w io.Writer) (layer ocispec.Descriptor, config, manifest artifact.Blob, err error) {
			layer, sum, err := artifact.PackModule(ctx, w, opts.Path, module, c, opts.packing(module.Name))
			if err == nil {
				config, manifest, err = artifact.PackModuleManifest(module, layer, sum)
			}
			return layer, config, manifest, err
		})
	}}, nil
}

// packing returns what tells how far the packing of a layer is.
func (o PushOptions) packing(name string) func(int64) {
	return func(done int64) { o.Events.send(Event{Step: Packing, Name: name, Done: done}) }
}
