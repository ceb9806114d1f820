package layout

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Bounds of the entries of an archive, whose names are held in memory.
const (
	maxEntries = 1 << 18
	maxName    = 512 // bytes
	maxLinks   = 8   // that lead to a file
)

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

// scan reads the headers of a tar. Entries that are neither files nor links
// are no content, and passed over.
func scan(ctx context.Context, path string, archive extent) (*tarTree, error) {
	t := &tarTree{path, archive, map[string]node{}}
	section := io.NewSectionReader(archive, 0, archive.size)
	tr := tar.NewReader(section) // which seeks over the content, and reads no byte ahead
	for count := 0; ; count++ {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		header, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return t, nil
		}
		if err != nil {
			return nil, damaged(path, err)
		}
		if count == maxEntries {
			return nil, unsafe(path, header.Name, "is one too many")
		}
		offset, err := section.Seek(0, io.SeekCurrent)
		if err != nil {
			return nil, unreadable(path, err)
		}
		if err := t.add(header, offset); err != nil {
			return nil, err
		}
	}
}

func (t *tarTree) add(header *tar.Header, offset int64) error {
	name, why := cleanName(header.Name)
	if why != "" {
		return unsafe(t.path, header.Name, why)
	}
	n := node{offset: offset, size: header.Size}
	switch header.Typeflag {
	case tar.TypeReg:
		if header.Size > t.archive.size-offset {
			return damaged(t.path, io.ErrUnexpectedEOF)
		}
		if sparse(header) {
			return unsafe(t.path, header.Name, "is a sparse file")
		}
	case tar.TypeSymlink:
		n.link, why = cleanName(path.Dir(name) + "/" + header.Linkname)
		if strings.HasPrefix(header.Linkname, "/") {
			why = "is absolute"
		}
	case tar.TypeLink:
		n.link, why = cleanName(header.Linkname)
	default:
		return nil
	}
	if why != "" {
		return unsafe(t.path, header.Name, "is a link to "+header.Linkname+", which "+why)
	}
	// Who extracts the archive gets the last, who searches it may get the first.
	if _, twice := t.nodes[name]; twice && (name == ocispec.ImageLayoutFile || name == ocispec.ImageIndexFile || name == dockerManifest) {
		return unsafe(t.path, header.Name, "is there twice")
	}
	t.nodes[name] = n
	return nil
}

// sparse reports whether less is stored of a file than it has.
func sparse(header *tar.Header) bool {
	for key := range header.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return false
}

// cleanName returns the one form of a name below the top of an archive, or why
// it is not below.
func cleanName(name string) (clean, why string) {
	clean = path.Clean(name)
	switch {
	case len(name) > maxName:
		return "", "has a name that is too long"
	case path.IsAbs(name):
		return "", "is absolute"
	case clean == ".." || strings.HasPrefix(clean, "../"):
		return "", "leaves the archive"
	}
	return clean, ""
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
