package artifact

import (
	"archive/tar"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/regular"
	"github.com/berth-oci/berth/internal/content/archive"
)

// Annotations by which oras finds a layer that is a packed directory.
const (
	AnnotationUnpack = "io.deis.oras.content.unpack"
	AnnotationDigest = "io.deis.oras.content.digest" // of the tar, before compression
)

// PackLayer writes the directory dir to w as a layer whose entries are below
// name, and returns its descriptor. The bytes depend on names, contents,
// executable bits and link targets, and on nothing else: not on times, owners,
// the order in which the file system lists, the machine or its cores. Memory
// use grows with the number of names, not with their contents. Progress, if not nil, is called
// with the number of bytes of file content packed so far.
//
// A link that leaves dir and anything that is not file, directory or link fails
// with diag.BadArtifact.
func PackLayer(ctx context.Context, w io.Writer, dir, name string, c Compression, progress func(int64)) (ocispec.Descriptor, error) {
	p := newPacker(ctx, dir, name, progress)
	layer, content, err := p.archive(w, c, func() error { return p.walk(p.entry) })
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	layer.MediaType = c.mediaType()
	layer.Annotations = map[string]string{
		ocispec.AnnotationTitle: name, AnnotationUnpack: "true", AnnotationDigest: content.String(),
	}
	return layer, nil
}

type packer struct {
	ctx      context.Context
	root     string
	within   beneath // of root, while it is walked
	name     string
	names    names
	tw       *tar.Writer
	sum      hash.Hash // of the contents of all files, where somebody asks for it
	buf      []byte
	done     int64
	progress func(int64)
}

func newPacker(ctx context.Context, dir, name string, progress func(int64)) *packer {
	return &packer{ctx: ctx, root: dir, name: name, names: names{}, buf: make([]byte, aheadSize), progress: progress}
}

// archive writes the archive that fill makes to w, and returns digest and size
// of what was written and the digest before compression.
func (p *packer) archive(w io.Writer, c Compression, fill func() error) (layer ocispec.Descriptor, content digest.Digest, err error) {
	sum := &counter{hash: sha256.New(), w: w}
	out, err := c.writer(sum)
	if err != nil {
		return ocispec.Descriptor{}, "", err
	}
	plain := sum.hash // what is not compressed has one digest
	var tee io.Writer = out
	if c.Enabled {
		plain = sha256.New()
		tee = io.MultiWriter(out, plain)
	}
	behind := newAhead(tee)
	p.tw = tar.NewWriter(behind)
	if err = fill(); err == nil {
		err = p.tw.Close()
	}
	// Closing ends goroutines, after a failure too. The first error is the cause.
	if err = cmp.Or(err, behind.Close(), out.Close()); err != nil {
		return ocispec.Descriptor{}, "", err
	}
	layer = ocispec.Descriptor{Digest: digest.NewDigest(digest.SHA256, sum.hash), Size: sum.n}
	return layer, digest.NewDigest(digest.SHA256, plain), nil
}

// walk visits all that is in the directory in WalkDir's lexical order,
// directory by directory.
func (p *packer) walk(visit func(rel string, entry fs.DirEntry) error) error {
	info, err := os.Stat(p.root)
	if err != nil {
		return diag.Errorf(diag.NotFound, "nothing to push: %w", err).WithHint("give the path of an existing directory")
	}
	if !info.IsDir() {
		return diag.Errorf(diag.BadArtifact, "%s is not a directory", p.root).WithHint("an artifact is a directory: push the one that holds the file")
	}
	if p.within, err = openDir(p.root); err != nil {
		return fmt.Errorf("cannot pack: %w", err)
	}
	defer p.within.close()
	return fs.WalkDir(os.DirFS(p.root), ".", func(rel string, entry fs.DirEntry, err error) error {
		if err == nil {
			err = p.ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("cannot pack: %w", err)
		}
		return visit(rel, entry)
	})
}

func (p *packer) entry(rel string, entry fs.DirEntry) error {
	header := &tar.Header{
		Name: path.Join(p.name, rel), Mode: 0o644, ModTime: time.Unix(0, 0), Format: tar.FormatPAX,
	}
	if rel != "." {
		if fault := p.names.add(entryName{path: rel, dir: entry.IsDir()}); fault != "" {
			return refuse(rel, "%s %s", fault)
		}
	}
	if strings.Contains(rel, "\\") {
		return refuse(rel, "%s: %s is not portable", "a name with a backslash")
	}
	switch mode := entry.Type(); {
	case mode.IsDir() || rel == ".": // "." may be reached through a link
		header.Typeflag, header.Mode = tar.TypeDir, 0o755
		header.Name += "/"
		return p.tw.WriteHeader(header)
	case mode.IsRegular():
		return p.file(rel, header)
	case mode&fs.ModeSymlink != 0:
		return p.link(rel, header)
	default:
		return refuse(rel, "%s: a %s cannot be packed", typeName(mode))
	}
}

// file packs a file, which is what it was listed as: no link that has taken its
// place leads out of the directory, and no pipe is waited for.
func (p *packer) file(rel string, header *tar.Header) error {
	parent, err := p.within.above(rel)
	if err != nil {
		return fmt.Errorf("cannot pack %s: %w", rel, err)
	}
	f, info, err := regular.OpenIn(parent, path.Base(rel))
	if err != nil {
		return fmt.Errorf("cannot pack %s: %w", rel, err)
	}
	defer f.Close()
	if info.Mode()&0o111 != 0 {
		header.Mode = 0o755
	}
	header.Typeflag, header.Size = tar.TypeReg, info.Size()
	if err := p.tw.WriteHeader(header); err != nil {
		return fmt.Errorf("cannot pack %s: %w", rel, err)
	}
	n, err := io.CopyBuffer(struct{ io.Writer }{p.tw}, &reader{p, f}, p.buf)
	if errors.Is(err, tar.ErrWriteTooLong) || err == nil && n != info.Size() {
		return diag.Errorf(diag.Failed, "%s changed while it was packed", rel).WithHint("push again when nothing writes to the directory")
	}
	return err
}

func (p *packer) link(rel string, header *tar.Header) error {
	parent, err := p.within.above(rel)
	if err != nil {
		return fmt.Errorf("cannot pack %s: %w", rel, err)
	}
	target, err := parent.Readlink(path.Base(rel))
	if err != nil {
		return fmt.Errorf("cannot pack %s: %w", rel, err)
	}
	target = filepath.ToSlash(target)
	if !archive.LinkStays(rel, target) {
		return refuse(rel, "%s: link to %s leaves the directory", target)
	}
	header.Typeflag, header.Linkname, header.Mode = tar.TypeSymlink, target, 0o777
	return p.tw.WriteHeader(header)
}

func refuse(rel, format string, arg string) error {
	return diag.Errorf(diag.BadArtifact, format, rel, arg).WithHint("remove or rename it")
}

func typeName(mode fs.FileMode) string {
	switch {
	case mode&fs.ModeDevice != 0:
		return "device"
	case mode&fs.ModeNamedPipe != 0:
		return "named pipe"
	case mode&fs.ModeSocket != 0:
		return "socket"
	}
	return "special file"
}

// reader sums up, reports progress and stops when the context ends.
type reader struct {
	p *packer
	r io.Reader
}

func (r *reader) Read(b []byte) (int, error) {
	if err := r.p.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := r.r.Read(b)
	if r.p.sum != nil {
		r.p.sum.Write(b[:n])
	}
	r.p.done += int64(n)
	if r.p.progress != nil && n > 0 {
		r.p.progress(r.p.done)
	}
	return n, err
}

// counter hashes and counts what it passes on.
type counter struct {
	hash hash.Hash
	n    int64
	w    io.Writer
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.hash.Write(b[:n])
	c.n += int64(n)
	return n, err
}

// Blob is content small enough for memory, and its descriptor.
type Blob struct {
	ocispec.Descriptor
	Data []byte
}

// Pack makes the config blob and the manifest around a layer. Like the layer
// they hold no time, so that equal input has equal digests. It follows the OCI
// image specification 1.1, "Guidelines for Artifact Usage".
func Pack(typ *Type, meta Metadata, layer ocispec.Descriptor) (config, manifest Blob, err error) {
	data, err := json.Marshal(meta)
	if err != nil {
		return Blob{}, Blob{}, err
	}
	config = blob(typ.Config, data)
	annotations := map[string]string{ocispec.AnnotationTitle: meta.Name, ocispec.AnnotationVersion: meta.Version}
	if meta.Description != "" {
		annotations[ocispec.AnnotationDescription] = meta.Description
	}
	data, err = json.Marshal(ocispec.Manifest{
		Versioned:    specs.Versioned{SchemaVersion: 2},
		MediaType:    ocispec.MediaTypeImageManifest,
		ArtifactType: typ.Artifact,
		Config:       config.Descriptor,
		Layers:       []ocispec.Descriptor{layer},
		Annotations:  annotations,
	})
	if err != nil {
		return Blob{}, Blob{}, err
	}
	manifest = blob(ocispec.MediaTypeImageManifest, data)
	manifest.ArtifactType = typ.Artifact
	return config, manifest, nil
}

func blob(mediaType string, data []byte) Blob {
	return Blob{ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}, data}
}
