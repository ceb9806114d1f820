package load

import (
	"strings"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/kcl/syntax"
)

// document is a YAML or JSON text as the KCL dict that means the same.
type document struct {
	src     *syntax.Source
	config  *syntax.Config
	scalars map[int]scalar // by the offset that they begin at
	faults  diag.List
	depth   int
}

// scalar is how a value without parts was written.
type scalar struct {
	text   string // without quotes
	quoted bool
}

// parseDocument reads a YAML or JSON config. The config of the document is nil
// where the text has none.
func parseDocument(src *syntax.Source) *document {
	doc := &document{src: src, scalars: map[int]scalar{}}
	var x syntax.Expr
	if formatOf(src) == "json" {
		x = doc.parseJSON()
	} else {
		x = doc.parseYAML()
	}
	config, ok := x.(*syntax.Config)
	if x != nil && !ok && len(doc.faults) == 0 {
		doc.report(x.At(), diag.Errorf(diag.Syntax, "the config must be a mapping of attributes to values"))
	}
	doc.config = config
	if config == nil && doc.faults.Err() != nil && guess(src.Text) == "kcl" {
		doc.faults[0].Hint = "it looks like KCL: name the file with the ending .k"
	}
	return doc
}

// program returns the KCL file that means the same as the document: an instance
// of the named schema. Everything else is then alike for all formats.
func (doc *document) program(schemaName string) *syntax.File {
	head := syntax.Range{Source: doc.src, Start: doc.config.Start, End: doc.config.Start}
	if len(doc.config.Entries) > 0 {
		head = doc.config.Entries[0].Range
	}
	x := &syntax.SchemaExpr{Range: head, Schema: &syntax.Ident{Range: head, Name: schemaName}, Config: doc.config}
	return &syntax.File{Source: doc.src, Body: []syntax.Stmt{&syntax.ExprStmt{Range: head, X: x}}}
}

func (doc *document) at(start, end int) syntax.Range {
	return syntax.Range{Source: doc.src, Start: start, End: min(end, len(doc.src.Text))}
}

// report reports a fault at a place and returns what stands for the value there.
func (doc *document) report(at syntax.Range, d *diag.Diagnostic) syntax.Expr {
	d.Span = at.Span()
	doc.faults = append(doc.faults, d)
	return &syntax.Bad{Range: at}
}

// maxNesting bounds how deep a document may nest.
const maxNesting = 200

// enter counts a level of nesting and reports one too many.
func (doc *document) enter(at syntax.Range) bool {
	if doc.depth >= maxNesting {
		doc.report(at, diag.Errorf(diag.LimitExceeded, "nested too deeply (limit %d)", maxNesting))
		return false
	}
	doc.depth++
	return true
}

func (doc *document) leave() { doc.depth-- }

// entries collects the entries of one mapping.
type entries struct {
	doc  *document
	list []*syntax.Entry
	keys map[string]*syntax.Entry
}

func (doc *document) entries() *entries { return &entries{doc: doc, keys: map[string]*syntax.Entry{}} }

// add adds an entry that overrides the default. A key that is there already is
// a fault: readers differ in which of the two they take.
func (e *entries) add(key string, at syntax.Range, value syntax.Expr) {
	if old := e.keys[key]; old != nil {
		d := diag.Errorf(diag.Syntax, "%s is given twice", key).WithHint("remove one of the two")
		d.Related = []diag.Related{{Span: old.Span(), Message: "first given here"}}
		e.doc.report(at, d)
		return
	}
	if inner, ok := value.(*syntax.Config); ok {
		// What is wrong with a block as a whole is wrong at its key.
		copied := *inner
		copied.Range = at
		value = &copied
	}
	entry := &syntax.Entry{Range: at, Key: &syntax.String{Range: at, Value: key}, Op: syntax.ASSIGN, Value: value}
	e.keys[key] = entry
	e.list = append(e.list, entry)
}

// mergeIn adds those entries of another mapping whose keys are not there yet.
func (e *entries) mergeIn(other *syntax.Config) {
	for _, entry := range other.Entries {
		if key := entry.Key.(*syntax.String).Value; e.keys[key] == nil {
			e.keys[key] = entry
			e.list = append(e.list, entry)
		}
	}
}

func (e *entries) config(at syntax.Range) *syntax.Config {
	if len(e.list) > 0 {
		at = e.list[0].Range
	}
	return &syntax.Config{Range: at, Entries: e.list}
}

func constant(r syntax.Range, kind syntax.Kind) syntax.Expr {
	return &syntax.Constant{Range: r, Kind: kind}
}

func boolean(r syntax.Range, v bool) syntax.Expr {
	if v {
		return constant(r, syntax.TRUE)
	}
	return constant(r, syntax.FALSE)
}

// impliedSchema returns the schema that a document is an instance of when none
// is named: the one that its type names, else the one that alone has one of its
// attributes, else the schema of any registry.
func impliedSchema(config *syntax.Config, prelude *syntax.File) string {
	byType, byAttr := map[string]string{}, map[string]string{}
	for _, stmt := range prelude.Body {
		s, ok := stmt.(*syntax.Schema)
		if !ok || baseName(s) != rootSchema {
			continue
		}
		for _, stmt := range s.Body {
			a, ok := stmt.(*syntax.Attr)
			if !ok {
				continue
			}
			byAttr[a.Name.Text] = s.Name.Text
			if lit, ok := a.Type.(*syntax.LiteralType); ok && a.Name.Text == "type" {
				if v, ok := lit.Value.(*syntax.String); ok {
					byType[v.Value] = s.Name.Text
				}
			}
		}
	}
	delete(byAttr, "type")
	implied := rootSchema
	for _, e := range config.Entries {
		key := e.Key.(*syntax.String).Value
		if v, ok := e.Value.(*syntax.String); ok && key == "type" && byType[v.Value] != "" {
			return byType[v.Value]
		}
		if name := byAttr[key]; name != "" {
			implied = name
		}
	}
	return implied
}

// firstLine cuts a text at its first line break.
func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
