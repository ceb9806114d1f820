package program

import (
	"bytes"
	"path/filepath"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2/unstable"

	"github.com/berth-oci/berth/diag"
)

// PackageInfo is the [package] of a kcl.mod: what its module is called and which of
// its files are published.
type PackageInfo struct {
	Name, Version, Description Text
	Include, Exclude           []Text

	Span diag.Span // of the table's name; the beginning of the file where there is no such table
}

// Text is a text of a kcl.mod. One that is not there has no place.
type Text struct {
	Value string
	Span  diag.Span
}

// ReadPackageInfo reads the [package] of the kcl.mod in a directory; nil where it
// has no kcl.mod. One that leads out of the directory is not read. It says what is no TOML or no text, not what is missing.
func ReadPackageInfo(dir string) (*PackageInfo, diag.List) {
	var reader Reader
	defer reader.Close()
	name := filepath.Join(absolute(dir), ModFile)
	data, fault := reader.readModuleFile(reader.tree(absolute(dir)), name)
	if fault != nil {
		return nil, diag.List{fault}
	}
	if data == nil {
		return nil, nil
	}
	var file map[string]any
	if fault := decodeTOML(name, data, &file); fault != nil {
		return nil, diag.List{fault}
	}
	start := diag.Pos{File: display(name), Line: 1, Column: 1}
	r := packageReader{places: places(display(name), data), start: diag.Span{Start: start, End: start}}
	p := &PackageInfo{Span: r.place("package")}
	table, ok := file["package"].(map[string]any)
	if _, there := file["package"]; there && !ok {
		r.fault("package", "write it as a table: [package]", "package is not a table")
	}
	p.Name, p.Version, p.Description = r.text(table, "name"), r.text(table, "version"), r.text(table, "description")
	p.Include, p.Exclude = r.texts(table, "include"), r.texts(table, "exclude")
	return p, r.faults
}

type packageReader struct {
	places map[string]diag.Span
	start  diag.Span // of the file
	faults diag.List
}

func (r *packageReader) place(key string) diag.Span {
	if span, ok := r.places[key]; ok {
		return span
	}
	return r.start
}

func (r *packageReader) fault(key, hint, message string) {
	r.faults = append(r.faults, diag.Errorf(diag.WrongType, "%s", message).At(r.place(key)).WithHint("%s", hint))
}

func (r *packageReader) text(table map[string]any, key string) Text {
	value, there := table[key]
	text, ok := value.(string)
	switch at := "package." + key; {
	case ok:
		return Text{text, r.place(at)}
	case there:
		r.fault(at, "put it in quotes: "+key+` = "..."`, key+" must be a text")
	}
	return Text{}
}

func (r *packageReader) texts(table map[string]any, key string) (texts []Text) {
	value, there := table[key]
	list, ok := value.([]any)
	if there && !ok {
		r.fault("package."+key, "write it as a list: "+key+` = ["*.k"]`, key+" must be a list of texts")
	}
	for i, item := range list {
		at := "package." + key + "." + strconv.Itoa(i)
		text, ok := item.(string)
		if !ok {
			r.fault(at, "put it in quotes", key+" must be a list of texts")
		}
		texts = append(texts, Text{text, r.place(at)})
	}
	return texts
}

// places returns where the tables and values of a TOML text are, by their
// dotted keys; those of a list by the list's key and their number.
func places(file string, data []byte) map[string]diag.Span {
	w := placer{file: file, data: data, found: map[string]diag.Span{}}
	w.parser.Reset(data)
	table := ""
	for w.parser.NextExpression() {
		switch node := w.parser.Expression(); node.Kind {
		case unstable.Table, unstable.ArrayTable:
			var last *unstable.Node
			table, last = dotted("", node.Key())
			w.found[table] = w.span(last)
		case unstable.KeyValue:
			w.entry(table, node)
		}
	}
	return w.found
}

type placer struct {
	file   string
	data   []byte
	parser unstable.Parser
	found  map[string]diag.Span
}

func (w *placer) entry(table string, node *unstable.Node) {
	key, last := dotted(table, node.Key())
	w.value(key, node.Value(), last)
}

// value records the place of a value: where that is a list or a table, of what
// is before it.
func (w *placer) value(key string, node, before *unstable.Node) {
	w.found[key] = w.span(node)
	if node.Raw.Length == 0 {
		w.found[key] = w.span(before)
	}
	children := node.Children()
	switch node.Kind {
	case unstable.InlineTable:
		for children.Next() {
			w.entry(key, children.Node())
		}
	case unstable.Array:
		for i := 0; children.Next(); i++ {
			w.value(key+"."+strconv.Itoa(i), children.Node(), before)
		}
	}
}

// dotted joins a key to the one of its table, and returns its last part too.
func dotted(table string, key unstable.Iterator) (string, *unstable.Node) {
	var parts []string
	if table != "" {
		parts = append(parts, table)
	}
	var last *unstable.Node
	for key.Next() {
		last = key.Node()
		parts = append(parts, string(last.Data))
	}
	return strings.Join(parts, "."), last
}

func (w *placer) span(node *unstable.Node) diag.Span {
	start := int(node.Raw.Offset)
	return diag.Span{Start: w.pos(start), End: w.pos(start + int(node.Raw.Length))}
}

func (w *placer) pos(offset int) diag.Pos {
	before := w.data[:offset]
	line := before[bytes.LastIndexByte(before, '\n')+1:]
	return diag.Pos{File: w.file, Line: bytes.Count(before, []byte("\n")) + 1, Column: utf8.RuneCount(line) + 1}
}
