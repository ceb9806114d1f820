package eval

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/kcl/syntax"
)

// Directory returns an Import that finds packages below a root directory: the
// path a.b is the directory a/b or the file a/b.k. A leading dot counts from
// the importing file. Files with syntax errors come together with a diag.List.
func Directory(root string) func(path string, from *syntax.Source) ([]*syntax.File, error) {
	return func(path string, from *syntax.Source) ([]*syntax.File, error) {
		base := root
		rest := strings.TrimLeft(path, ".")
		if dots := len(path) - len(rest); dots > 0 {
			file, err := filepath.Abs(from.Name)
			if err != nil {
				return nil, err
			}
			base = filepath.Dir(file)
			for range dots - 1 {
				base = filepath.Dir(base)
			}
		}
		target := filepath.Join(base, filepath.FromSlash(strings.ReplaceAll(rest, ".", "/")))
		names, err := PackageFiles(target)
		if err != nil {
			return nil, err
		}
		var files []*syntax.File
		var faults diag.List
		for _, name := range names {
			data, err := os.ReadFile(name)
			if err != nil {
				return nil, err
			}
			f, more := syntax.Parse(syntax.NewSource(name, string(data)))
			files, faults = append(files, f), append(faults, more...)
		}
		return files, faults.Err()
	}
}

// PackageFiles returns the names of the files of the package at a path, sorted;
// none if there is no such package. A path is a directory, or a file without
// its .k. Files whose names end in _test.k do not count.
func PackageFiles(path string) ([]string, error) {
	entries, err := os.ReadDir(path)
	if err != nil {
		if _, err := os.Stat(path + ".k"); err == nil {
			return []string{path + ".k"}, nil
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if name := e.Name(); !e.IsDir() && strings.HasSuffix(name, ".k") && !strings.HasSuffix(name, "_test.k") {
			names = append(names, filepath.Join(path, name))
		}
	}
	slices.Sort(names)
	return names, nil
}
