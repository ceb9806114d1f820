package artifact

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/content/archive"
)

// Limits bound what an artifact may unpack to. A zero field is its default.
type Limits = archive.Limits

// Unpacker puts the content of layers into one tree and never outside of it. The
// limits hold for all layers together. It is for one goroutine.
type Unpacker struct {
	tree   tree
	budget *archive.Budget
	names  names
	links  []link
	buf    []byte
}

// link is made after all files, so that no file is ever written through one.
type link struct{ name, target string }

// NewUnpacker unpacks into dir, which must exist and be empty.
func NewUnpacker(dir string, limits Limits) (*Unpacker, error) {
	into, err := openDir(dir)
	if err != nil {
		return nil, err
	}
	return newUnpacker(&made{beneath: into}, limits), nil
}

// NewComparer returns an Unpacker that writes nothing: it looks whether what it
// would have made in an empty directory is there already, with nothing else, as
// SameTree does. It fails at the first difference, and like the other with what
// must not be unpacked. Only when Finish has succeeded is all the same.
func NewComparer(dir string, limits Limits) (*Unpacker, error) {
	with, err := openDir(dir)
	if err != nil {
		return nil, err
	}
	return newUnpacker(&compared{beneath: with}, limits), nil
}

func newUnpacker(t tree, limits Limits) *Unpacker {
	return &Unpacker{tree: t, budget: limits.Budget(), names: names{}, buf: make([]byte, 1<<20)}
}

// Unpacks reports whether the layer is a packed directory, as opposed to a file.
func Unpacks(layer ocispec.Descriptor) bool {
	return layer.Annotations[AnnotationUnpack] == "true"
}

// Layer unpacks one layer from r and reads r to its end, so that whoever hashes
// the bytes has seen them all. A directory's entries land below prefix ("" for
// the top) instead of below the layer's title; a file lands at its title.
// An archive that reaches out of the directory, holds devices, the same name
// twice or more than the limits fails with diag.UnsafeArchive; one that is not
// an archive with diag.BadArtifact. Afterwards the directory is of no use.
func (u *Unpacker) Layer(ctx context.Context, layer ocispec.Descriptor, prefix string, r io.Reader) error {
	title, err := u.budget.Name(strings.TrimPrefix(layer.Annotations[ocispec.AnnotationTitle], "./"))
	if err != nil {
		return badArchive(err)
	}
	if !Unpacks(layer) {
		if err := u.budget.Take(title, layer.Size); err != nil {
			return badArchive(err)
		}
		return u.file(title, 0o644, contextReader{ctx, r}, layer.Size)
	}
	return u.layer(ctx, r, placement{title: title, prefix: prefix, links: true})
}

// Module unpacks the layer of a KCL package, whose entries are relative to the
// root of the module, from r into the directory itself; otherwise as Layer
// does. As for kpm, a link is no part of a package: diag.UnsafeArchive.
func (u *Unpacker) Module(ctx context.Context, r io.Reader) error {
	return u.layer(ctx, r, placement{title: "."})
}

// placement says where the entries of an archive go, and what they may be.
type placement struct {
	title  string // what they are below in the archive
	prefix string // what they are below in the directory
	links  bool   // whether there may be links
}

// of moves a path from below the title to below the prefix.
func (p placement) of(name string) string {
	if name == p.title {
		return path.Join(p.prefix, ".")
	}
	return path.Join(p.prefix, strings.TrimPrefix(name, p.title+"/"))
}

func (u *Unpacker) layer(ctx context.Context, r io.Reader, at placement) error {
	r = bufio.NewReaderSize(contextReader{ctx, r}, 256<<10)
	content, err := archive.Decompress(r)
	if err != nil {
		return badArchive(err)
	}
	defer content.Close()
	content.Within(u.budget)
	if err := u.archive(archive.NewReader(content, u.budget), at); err != nil {
		return err
	}
	// Behind the archive's end there is padding.
	if _, err := io.CopyBuffer(io.Discard, struct{ io.Reader }{content}, u.buf); err != nil {
		return badArchive(err)
	}
	_, err = io.CopyBuffer(io.Discard, r, u.buf)
	return err
}

func (u *Unpacker) archive(entries *archive.Reader, at placement) error {
	for {
		e, err := entries.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return badArchive(err)
		}
		if err := u.entry(entries, e, at); err != nil {
			return err
		}
	}
}

func (u *Unpacker) entry(r io.Reader, e archive.Entry, at placement) error {
	name := at.of(e.Path)
	// Setuid, setgid and sticky bits are dropped; the owner keeps access.
	mode := fs.FileMode(e.Mode) & fs.ModePerm
	switch {
	case e.Typeflag == tar.TypeReg:
		return u.file(name, mode|0o600, r, e.Size)
	case e.Typeflag == tar.TypeDir:
		return u.dir(name, mode|0o700)
	case !at.links:
		return unsafe(e.Name, "is neither file nor directory")
	case e.Typeflag == tar.TypeSymlink:
		return u.symlink(name, e.Target)
	default:
		return u.hardlink(name, at.of(e.Target))
	}
}

func (u *Unpacker) dir(name string, mode fs.FileMode) error {
	if name == "." {
		return nil
	}
	if err := u.add(entryName{path: name, dir: true}); err != nil {
		return err
	}
	return u.tree.dir(name, mode)
}

// add records a name and makes the directories above it.
func (u *Unpacker) add(e entryName) error {
	parent := path.Dir(e.path)
	_, known := u.names[fold(parent)]
	if e.path == "." {
		return unsafe(e.path, "would replace the directory itself")
	}
	if fault := u.names.add(e); fault != "" {
		return unsafe(e.path, fault)
	}
	if parent == "." || known {
		return nil
	}
	return u.tree.dirs(parent)
}

// file puts r into the tree, which has to have the size that was taken from the
// budget.
func (u *Unpacker) file(name string, mode fs.FileMode, r io.Reader, size int64) error {
	if err := u.add(entryName{path: name, regular: true}); err != nil {
		return err
	}
	f, err := u.tree.file(name, mode, size)
	if err != nil {
		return err
	}
	// One byte more than there should be tells that there are more.
	// Alone, an *os.File would be written with a buffer of its own.
	n, err := io.CopyBuffer(struct{ io.Writer }{f}, io.LimitReader(r, size+1), u.buf)
	if err = errors.Join(err, f.Close()); err != nil {
		return badArchive(err)
	}
	if n != size {
		return unsafe(name, fmt.Sprintf("is to have %d bytes, and has others", size))
	}
	return nil
}

func (u *Unpacker) symlink(name, target string) error {
	// It may lead elsewhere now that it is below the prefix.
	if !archive.LinkStays(name, target) {
		return unsafe(name, "is a link to "+target+", which leaves the directory")
	}
	if err := u.add(entryName{path: name}); err != nil {
		return err
	}
	u.links = append(u.links, link{name, target})
	return nil
}

func (u *Unpacker) hardlink(name, old string) error {
	if e := u.names[fold(old)]; e.path != old || !e.regular {
		return unsafe(name, "is a hard link to "+old+", which is no earlier file of the archive")
	}
	if err := u.add(entryName{path: name, regular: true}); err != nil {
		return err
	}
	return u.tree.hardlink(name, old)
}

// Finish ends what has succeeded: it makes the links.
func (u *Unpacker) Finish() error {
	for _, l := range u.links {
		if err := u.tree.symlink(l.name, l.target); err != nil {
			return err
		}
	}
	return u.tree.finish(u.names)
}

// Close releases the tree.
func (u *Unpacker) Close() { u.tree.close() }

func badArchive(err error) error {
	if fault, ok := errors.AsType[*archive.Fault](err); ok {
		return unsafeArchive(fault)
	}
	// A failure of the connection is not one of the content.
	if err = fmt.Errorf("cannot unpack: %w", err); !archive.IsFormat(err) {
		return err
	}
	return diag.Errorf(diag.BadArtifact, "layer is not a readable archive: %w", err).
		WithHint("berth unpacks tar, tar+gzip and tar+zstd layers")
}

// contextReader stops reading when the context ends.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (r contextReader) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(b)
}
