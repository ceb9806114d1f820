package archive

import (
	"archive/tar"
	"io"
	"strings"
)

// Entry is a file, directory or link of a tar.
type Entry struct {
	// Header has the type, which is one of tar.TypeReg, TypeDir, TypeSymlink and
	// TypeLink, the mode and the size. Size is what a file has and what is stored of
	// it.
	*tar.Header
	Path string // where it is below the top of the archive, clean
	// Target is where a link leads: of a hard link the clean path of another entry, of
	// a symbolic one what is to be written down, which stays below the top.
	Target string
}

// Reader reads a tar entry by entry. The content of the last one is read from the
// Reader itself.
type Reader struct {
	tar    *tar.Reader
	budget *Budget
}

// NewReader reads a tar from r, within the budget. Where r can seek, content that
// nobody asks for is passed over.
func NewReader(r io.Reader, budget *Budget) *Reader {
	return &Reader{tar.NewReader(r), budget}
}

// Read implements io.Reader for the content of the entry. It never gives more than
// the entry's size.
func (r *Reader) Read(b []byte) (int, error) { return r.tar.Read(b) }

// Next returns the next entry, io.EOF after the last one, a *Fault for one that no
// archive should hold, or what reading failed with.
func (r *Reader) Next() (Entry, error) {
	for {
		header, err := r.tar.Next()
		if err != nil {
			return Entry{}, err
		}
		if r.budget.entries--; r.budget.entries < 0 {
			return Entry{}, &Fault{header.Name, "is one too many: the archive holds more entries than allowed"}
		}
		if header.Typeflag == tar.TypeXGlobalHeader && onlyComments(header) { // as git archive writes
			continue
		}
		return r.entry(header)
	}
}

func (r *Reader) entry(header *tar.Header) (e Entry, err error) {
	e.Header = header
	fault := func(why string) (Entry, error) { return Entry{}, &Fault{header.Name, why} }
	if e.Path, err = r.budget.Name(header.Name); err != nil {
		return Entry{}, err
	}
	if r.budget.names -= len(header.Name) + len(header.Linkname); r.budget.names < 0 {
		return fault("is one too many: the archive's names are longer than allowed")
	}
	switch {
	case sparse(header):
		return fault("is a sparse file, which takes more room than it has content")
	case header.Typeflag == tar.TypeReg:
		return e, r.budget.Take(header.Name, header.Size)
	case header.Typeflag == tar.TypeDir:
		return e, nil
	case header.Typeflag == tar.TypeSymlink:
		if e.Target = header.Linkname; !LinkStays(e.Path, e.Target) || len(e.Target) > maxName {
			return fault("is a link to " + header.Linkname + ", which leaves the directory")
		}
		return e, nil
	case header.Typeflag == tar.TypeLink:
		var why string
		if e.Target, why = cleanName(header.Linkname, r.budget.depth); why != "" {
			return fault("is a link to " + header.Linkname + ", which " + why)
		}
		return e, nil
	}
	return fault("is neither file, directory nor link")
}

// sparse reports whether a file is larger than what is stored of it. Layers should
// hold none (image-spec 1.1, "Image Layer Filesystem Changeset"), and a header of
// some bytes could fill a disk.
func sparse(header *tar.Header) bool {
	if header.Typeflag == tar.TypeGNUSparse {
		return true
	}
	for key := range header.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return false
}

// onlyComments reports whether a global header changes nothing of what follows. This
// reader does not apply one, and others do: they would see another archive.
func onlyComments(header *tar.Header) bool {
	for key := range header.PAXRecords {
		if key != "comment" {
			return false
		}
	}
	return true
}
