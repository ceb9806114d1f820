package archive

import (
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// cleanName returns the clean form of an archive's path, or says what is wrong.
func cleanName(name string, depth int) (clean, why string) {
	switch {
	case name == "" || strings.ContainsAny(name, "\\\x00"):
		return "", "is not a portable path"
	case len(name) > maxName:
		return "", "has a name that is too long"
	case path.IsAbs(name) || len(name) > 1 && name[1] == ':':
		return "", "is an absolute path"
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == ".." {
			return "", "holds .."
		}
		if runtime.GOOS == "windows" && reserved(part) {
			return "", "has a name that means something else on Windows"
		}
	}
	clean = path.Clean(name)
	if strings.Count(clean, "/")+1 > depth {
		return "", "is nested too deeply"
	}
	return clean, ""
}

// reserved reports whether Windows takes a component of a path for something else
// than a file of that name: a device, a stream of another file, or a name without the
// dots and spaces at its end.
func reserved(part string) bool {
	if part == "" || part == "." {
		return false
	}
	if strings.ContainsAny(part, `<>:"|?*`) || strings.ContainsFunc(part, func(r rune) bool { return r < ' ' }) || strings.TrimRight(part, ". ") != part {
		return true
	}
	base, _, _ := strings.Cut(part, ".")
	base = strings.ToUpper(strings.TrimRight(base, " "))
	if slices.Contains([]string{"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"}, base) {
		return true
	}
	number, ok := strings.CutPrefix(base, "COM")
	if !ok {
		number, ok = strings.CutPrefix(base, "LPT")
	}
	return ok && slices.Contains([]string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "¹", "²", "³"}, number)
}

// LinkStays reports whether a symbolic link at rel, a path below the root, leads to a
// place below the root. "..", allowed at the start of a target only, can then
// never climb out of a directory that another link leads to.
func LinkStays(rel, target string) bool {
	if target == "" || path.IsAbs(target) || strings.ContainsAny(target, "\\\x00") || filepath.VolumeName(target) != "" {
		return false
	}
	depth := strings.Count(rel, "/")
	named := false
	for part := range strings.SplitSeq(target, "/") {
		switch part {
		case "", ".":
		case "..":
			if depth--; named || depth < 0 {
				return false
			}
		default:
			named = true
		}
	}
	return true
}
