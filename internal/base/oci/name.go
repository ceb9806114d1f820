package oci

import "strings"

// MaxRepository is the longest name of a repository that all common clients take.
const MaxRepository = 255

const maxTag = 128

// IsTag reports whether s can be a tag: what matches
// [a-zA-Z0-9_][a-zA-Z0-9._-]{0,127} (OCI distribution-spec 1.1, "Pulling manifests").
// A registry asks for every request, and so no regular expression does.
func IsTag(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isWord(c) && (c < 'A' || c > 'Z') && c != '_' && (i == 0 || c != '.' && c != '-') {
			return false
		}
	}
	return s != "" && len(s) <= maxTag
}

// IsRepository reports whether s can be a repository, or a part of one: what
// matches [a-z0-9]+((\.|_|__|-+)[a-z0-9]+)* in each part between slashes (the same).
func IsRepository(s string) bool {
	for part := range strings.SplitSeq(s, "/") {
		if !isPart(part) {
			return false
		}
	}
	return len(s) <= MaxRepository
}

func isPart(s string) bool {
	last := -1 // letter or digit
	for i := range len(s) {
		if !isWord(s[i]) {
			continue
		}
		if between := s[last+1 : i]; between != "" && (last < 0 || !isSeparator(between)) {
			return false
		}
		last = i
	}
	return s != "" && last == len(s)-1
}

func isSeparator(s string) bool {
	return s == "." || s == "_" || s == "__" || strings.Trim(s, "-") == ""
}

func isWord(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' }
