package artifact

import (
	"path"
	"strings"

	"github.com/berth-oci/berth/diag"
)

// names knows every path of a tree. Two paths that differ in case only would be
// one file on Windows and macOS: packing and unpacking refuse them alike.
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
	key := strings.ToLower(e.path)
	old, exists := n[key]
	switch {
	case exists && old.path != e.path:
		return "differs from " + old.path + " in upper and lower case only"
	case exists && !(old.implied && e.dir):
		return "occurs twice"
	}
	n[key] = e
	return ""
}

func (n names) addParent(dir string) (fault string) {
	old, exists := n[strings.ToLower(dir)]
	switch {
	case !exists:
		return n.add(entryName{path: dir, dir: true, implied: true})
	case old.path != dir:
		return "differs from " + old.path + " in upper and lower case only"
	case !old.dir:
		return "lies below " + dir + ", which is not a directory"
	}
	return ""
}

// checkName returns the clean form of an archive's path, or says what is wrong.
func checkName(name string, depth int) (clean, fault string) {
	switch {
	case name == "" || strings.ContainsAny(name, "\\\x00"):
		return "", "is not a portable path"
	case path.IsAbs(name) || len(name) > 1 && name[1] == ':':
		return "", "is an absolute path"
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == ".." {
			return "", "holds .."
		}
	}
	clean = path.Clean(name)
	if strings.Count(clean, "/")+1 > depth {
		return "", "is nested too deeply"
	}
	return clean, ""
}

func unsafe(name, fault string) error {
	return diag.Errorf(diag.UnsafeArchive, "archive entry %q %s", name, fault).
		WithHint("nothing was unpacked; whoever made the artifact has to repair it")
}
