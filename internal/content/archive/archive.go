// Package archive reads tars and compressed streams that others made. It owns the
// guards that every one of them passes, whatever it is read for: what an entry may be
// called and may be, where a link may lead, and how much all of it may come to. It
// writes nothing and knows no format above the tar.
package archive

import (
	"cmp"
	"fmt"
)

// Limits bound what archives may unpack to. A zero field is its default.
type Limits struct {
	Bytes   int64 // of all files together, and of all that is read for them; 64 GiB
	Entries int   // files, directories and links; 500,000
	Depth   int   // components of a path; 64
}

// Bounds of what is held in memory, in bytes. The one of a path is Linux's.
const (
	maxName  = 4096
	maxNames = 128 << 20 // all names and targets of links together
)

// Budget is what is left of Limits, which several archives may share. It is for one
// goroutine.
type Budget struct {
	bytes   int64 // of files that were announced
	read    int64 // of what archives decompress to
	entries int
	depth   int
	names   int // bytes of names
}

// Budget returns the limits as what is left before anything is read.
func (l Limits) Budget() *Budget {
	bytes := cmp.Or(l.Bytes, 64<<30)
	return &Budget{
		bytes: bytes, read: bytes,
		entries: cmp.Or(l.Entries, 500_000),
		depth:   cmp.Or(l.Depth, 64),
		names:   maxNames,
	}
}

// Take uses up the bytes of a file, before any of it is written. It fails with a
// *Fault for more than are left, and for less than none.
func (b *Budget) Take(name string, size int64) error {
	if size < 0 {
		return &Fault{name, "is to have less than no bytes"}
	}
	if size > b.bytes {
		return &Fault{name, "is too much: the archive unpacks to more bytes than allowed"}
	}
	b.bytes -= size
	return nil
}

// Name returns the clean form of a path that an archive gives, or a *Fault.
func (b *Budget) Name(name string) (string, error) {
	clean, why := cleanName(name, b.depth)
	if why != "" {
		return "", &Fault{name, why}
	}
	return clean, nil
}

// Fault says why an archive is not used: it is made to do harm, or may as well be.
type Fault struct {
	Entry string // "" for the archive as a whole
	Why   string // goes on after the entry's name
}

// Error implements error.
func (f *Fault) Error() string {
	if f.Entry == "" {
		return "the archive " + f.Why
	}
	return fmt.Sprintf("archive entry %.200q %s", f.Entry, f.Why)
}
