package layout

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"io/fs"
	"math"
	"path"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/internal/content/archive"
)

// maxLinks is how many links may lead one to the next.
const maxLinks = 8

// tarTree is an uncompressed tar, whose files are read where they are.
type tarTree struct {
	path    string
	archive extent
	nodes   map[string]node
}

// node is a file of a tar, or a link to one.
type node struct {
	offset, size int64
	link         string // the name that a link leads to; "" for a file
}

// scan reads the headers of a tar.
func scan(ctx context.Context, path string, file extent) (*tarTree, error) {
	t := &tarTree{path, file, map[string]node{}}
	section := io.NewSectionReader(file, 0, file.size)
	// It seeks over the content, and reads no byte ahead. Nothing is unpacked: a file is
	// as large as the archive lets it be.
	entries := archive.NewReader(section, archive.Limits{Bytes: math.MaxInt64}.Budget())
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		e, err := entries.Next()
		if errors.Is(err, io.EOF) {
			return t, nil
		}
		if err != nil {
			return nil, unpackFault(path, err, nil, nil)
		}
		offset, err := section.Seek(0, io.SeekCurrent)
		if err != nil {
			return nil, unreadable(path, err)
		}
		if err := t.add(e, offset); err != nil {
			return nil, err
		}
	}
}

func (t *tarTree) add(e archive.Entry, offset int64) error {
	n := node{offset: offset, size: e.Size}
	switch e.Typeflag {
	case tar.TypeReg:
		if e.Size > t.archive.size-offset {
			return damaged(t.path, io.ErrUnexpectedEOF)
		}
	case tar.TypeSymlink:
		n.link = path.Join(path.Dir(e.Path), e.Target)
	case tar.TypeLink:
		n.link = e.Target
	default:
		return nil
	}
	// Who extracts the archive gets the last, who searches it may get the first.
	if _, twice := t.nodes[e.Path]; twice && (e.Path == ocispec.ImageLayoutFile || e.Path == ocispec.ImageIndexFile || e.Path == dockerManifest) {
		return unsafe(t.path, e.Name, "is there twice")
	}
	t.nodes[e.Path] = n
	return nil
}

func (t *tarTree) has(name string) bool {
	_, ok := t.nodes[name]
	return ok
}

// find follows links. It fails with fs.ErrNotExist and diag.UnsafeArchive.
func (t *tarTree) find(name string) (node, error) {
	at := name
	for range maxLinks {
		n, ok := t.nodes[at]
		switch {
		case !ok:
			return node{}, fs.ErrNotExist
		case n.link == "":
			return n, nil
		}
		at = n.link
	}
	return node{}, unsafe(t.path, name, "is a link that leads to too many others")
}

func (t *tarTree) file(name string) (extent, error) {
	n, err := t.find(name)
	return t.at(n), err
}

func (t *tarTree) at(n node) extent {
	return extent{io.NewSectionReader(t.archive, n.offset, n.size), n.size, nopCloser{}}
}

func (t *tarTree) Close() error { return t.archive.Close() }
