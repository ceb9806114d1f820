package load

import (
	"path/filepath"
	"strings"

	"github.com/berth-oci/berth/internal/base/lazyregexp"
	"github.com/berth-oci/berth/kcl/syntax"
)

// formatOf tells KCL from YAML and JSON: by the extension of the name, or
// without a known one by the text.
func formatOf(src *syntax.Source) string {
	switch strings.ToLower(filepath.Ext(src.Name)) {
	case ".k":
		return "kcl"
	case ".yaml", ".yml":
		return "yaml"
	case ".json":
		return "json"
	}
	return guess(src.Text)
}

var (
	// yamlLine is how a line of YAML begins: with a key, a dash or a marker.
	yamlLine = lazyregexp.New(`^(?:---|%YAML|- |-$|\? |&|(?:"[^"]*"|'[^']*'|[^\s#:{}\[\]"'][^\s:]*)\s*:(?:\s|$))`)
	// kclValue is what stands after the colon in KCL and not in YAML: a schema
	// with its config, or a type with a value.
	kclValue = lazyregexp.New(`^[^:]*:\s*(?:[A-Za-z_][\w.]*\s*(?:\([^)]*\))?\s*\{|[^"'#]*\s=\s)`)
	jsonText = lazyregexp.New(`^\{\s*["}]`)
)

// guess tells the format of a text by its first line that is no comment.
func guess(text string) string {
	text = strings.TrimSpace(text)
	if jsonText().MatchString(text) {
		return "json"
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#':
			continue
		case line[0] == '{' || line[0] == '[':
			return "yaml"
		case yamlLine().MatchString(line) && !kclValue().MatchString(line):
			return "yaml"
		}
		return "kcl"
	}
	return "yaml"
}
