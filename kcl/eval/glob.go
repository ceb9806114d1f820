package eval

import (
	"io/fs"
	"path"
	"strings"
)

// globFS returns the paths that match a pattern, in order. ** as an element
// stands for any directories; a leading dot is like any character.
func globFS(root fs.FS, pattern string) ([]string, error) {
	if _, err := path.Match(pattern, ""); err != nil {
		return nil, err
	}
	var matches []string
	err := globIn(root, ".", strings.Split(pattern, "/"), &matches)
	return matches, err
}

func globIn(root fs.FS, dir string, elements []string, matches *[]string) error {
	if len(*matches) > maxSize {
		return fs.ErrInvalid
	}
	entries, err := fs.ReadDir(root, dir)
	if err != nil {
		return nil // no directory, or one that cannot be read: nothing matches in it
	}
	deep := elements[0] == "**"
	if deep && len(elements) > 1 {
		if err := globIn(root, dir, elements[1:], matches); err != nil {
			return err
		}
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		ok, err := path.Match(elements[0], e.Name())
		if err != nil {
			return err
		}
		rest := elements[1:]
		switch {
		case deep && e.IsDir():
			if len(elements) == 1 {
				*matches = append(*matches, name)
			}
			rest = elements
		case ok && len(elements) == 1:
			*matches = append(*matches, name)
			continue
		case !ok || deep:
			continue
		}
		if err := globIn(root, name, rest, matches); err != nil {
			return err
		}
	}
	return nil
}
