package artifact

import (
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/content/archive"
)

// names knows every path of a tree, by what fold makes of it. Two paths that are one
// file on Windows or macOS are refused alike by packing and unpacking.
type names map[string]entryName

type entryName struct {
	path    string
	dir     bool
	regular bool
	implied bool // a parent that has had no entry of its own yet
}

// add records an entry and its parents, and says what is wrong with its name.
func (n names) add(e entryName) (fault string) {
	if parent := path.Dir(e.path); parent != "." {
		if fault := n.addParent(parent); fault != "" {
			return fault
		}
	}
	key := fold(e.path)
	old, exists := n[key]
	switch {
	case exists && old.path != e.path:
		return alike(old.path, e.path)
	case exists && !(old.implied && e.dir):
		return "occurs twice"
	}
	n[key] = e
	return ""
}

func (n names) addParent(dir string) (fault string) {
	old, exists := n[fold(dir)]
	switch {
	case !exists:
		return n.add(entryName{path: dir, dir: true, implied: true})
	case old.path != dir:
		return alike(old.path, dir)
	case !old.dir:
		return "lies below " + dir + ", which is not a directory"
	}
	return ""
}

func alike(old, path string) (fault string) {
	if strings.EqualFold(old, path) {
		return "differs from " + old + " in upper and lower case only"
	}
	return "is the same name as " + old + " where a file system compares letters, however they are written"
}

// fold returns what all paths have in common that some file system takes for one:
// those that ignore case, that take a letter with its accent for the two written one
// after the other, or that do not look at characters without a width.
func fold(path string) string {
	ascii := true
	for i := range len(path) {
		ascii = ascii && path[i] < utf8.RuneSelf
	}
	if ascii {
		return strings.ToLower(path)
	}
	path = strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector) {
			return -1
		}
		return r
	}, path)
	return norm.NFD.String(cases.Fold().String(norm.NFD.String(path)))
}

func unsafe(name, why string) error { return unsafeArchive(&archive.Fault{Entry: name, Why: why}) }

func unsafeArchive(fault *archive.Fault) error {
	return diag.Errorf(diag.UnsafeArchive, "%w", fault).
		WithHint("nothing was unpacked; whoever made the artifact has to repair it")
}
