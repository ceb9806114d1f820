package load

import (
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/yaml"
	"github.com/berth-oci/berth/kcl/syntax"
)

// parseJSON reads a JSON text (RFC 8259).
func (doc *document) parseJSON() syntax.Expr {
	if strings.TrimSpace(doc.src.Text) == "" {
		doc.faults = append(doc.faults, emptyConfig(doc.src))
		return nil
	}
	if d := checkJSON(doc.src); d != nil {
		doc.faults = append(doc.faults, d)
		return nil
	}
	r := &jsonReader{document: doc, dec: json.NewDecoder(strings.NewReader(doc.src.Text))}
	r.dec.UseNumber()
	x := r.value(r.next())
	if r.full {
		return nil
	}
	return x
}

func emptyConfig(src *syntax.Source) *diag.Diagnostic {
	return diag.Errorf(diag.NoConfig, "the config is empty").At(syntax.Range{Source: src}.Span()).
		WithHint("berth init writes one to start from")
}

// jsonReader converts tokens of a text that was checked.
type jsonReader struct {
	*document
	dec *json.Decoder

	keys, values int  // so far, within the bounds of YAML
	full         bool // with more than that, which was reported
}

// more reports whether there is another element or key to read.
func (r *jsonReader) more() bool { return !r.full && r.dec.More() }

// count counts one more of what n counts.
func (r *jsonReader) count(n *int, most int, what string, at syntax.Range) {
	if *n++; *n > most && !r.full {
		r.full = true
		r.report(at, diag.Errorf(diag.LimitExceeded, "too many %s (limit %d)", what, most))
	}
}

// next returns the next token and its place.
func (r *jsonReader) next() (json.Token, syntax.Range) {
	text := r.src.Text
	start := int(r.dec.InputOffset())
	for start < len(text) && strings.IndexByte(" \t\r\n,:", text[start]) >= 0 {
		start++
	}
	tok, err := r.dec.Token()
	if err != nil { // the text was checked
		return nil, r.at(start, start)
	}
	return tok, r.at(start, int(r.dec.InputOffset()))
}

func (r *jsonReader) value(tok json.Token, at syntax.Range) syntax.Expr {
	r.count(&r.values, yaml.MaxItems, "values", at)
	switch tok := tok.(type) {
	case json.Delim:
		if !r.enter(at) {
			r.skip()
			return &syntax.Bad{Range: at}
		}
		defer r.leave()
		if tok == '{' {
			return r.object(at)
		}
		list := &syntax.List{Range: at}
		for r.more() {
			list.Elems = append(list.Elems, r.value(r.next()))
		}
		r.next()
		return list
	case bool:
		r.scalars[at.Start] = scalar{text: at.Text()}
		return boolean(at, tok)
	case string:
		r.scalars[at.Start] = scalar{text: tok, quoted: true}
		return &syntax.String{Range: at, Value: tok}
	case json.Number:
		return r.number(tok.String(), at)
	}
	r.scalars[at.Start] = scalar{text: "null"}
	return constant(at, syntax.NONE)
}

func (r *jsonReader) object(at syntax.Range) syntax.Expr {
	e := r.entries()
	for r.more() {
		key, place := r.next()
		r.count(&r.keys, yaml.MaxKeys, "keys", place)
		name, _ := key.(string)
		e.add(name, place, r.value(r.next()))
	}
	r.next()
	return e.config(at)
}

// skip reads to the end of what the last delimiter opened.
func (r *jsonReader) skip() {
	for open := 1; open > 0; {
		tok, err := r.dec.Token()
		if err != nil {
			return
		}
		switch tok {
		case json.Delim('{'), json.Delim('['):
			open++
		case json.Delim('}'), json.Delim(']'):
			open--
		}
	}
}

func (r *jsonReader) number(text string, at syntax.Range) syntax.Expr {
	r.scalars[at.Start] = scalar{text: text}
	if strings.ContainsAny(text, ".eE") {
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return r.outOfRange(at)
		}
		return &syntax.Number{Range: at, IsFloat: true, Float: f}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return r.outOfRange(at)
	}
	return &syntax.Number{Range: at, Int: n}
}

func (doc *document) outOfRange(at syntax.Range) syntax.Expr {
	return doc.report(at, diag.Errorf(diag.Syntax, "%s does not fit 64 bits", firstLine(at.Text())).WithHint("quote it if it is a text"))
}

// maxDecoder is about the depth at which the decoder gives up.
const maxDecoder = 9_990

// checkJSON makes sure that a text is JSON and not merely YAML.
func checkJSON(src *syntax.Source) *diag.Diagnostic {
	dec := json.NewDecoder(strings.NewReader(src.Text))
	var v json.RawMessage
	err := dec.Decode(&v)
	if err == nil {
		end := int(dec.InputOffset())
		rest := strings.TrimLeft(src.Text[end:], " \t\r\n")
		if rest == "" {
			return nil
		}
		at := len(src.Text) - len(rest)
		return diag.Errorf(diag.Syntax, "text after the end of the JSON value").At(syntax.Range{Source: src, Start: at, End: at + 1}.Span()).
			WithHint("a config is one value; put each config into a file of its own")
	}
	offset := len(src.Text)
	var syntaxErr *json.SyntaxError
	if errors.As(err, &syntaxErr) {
		offset = max(int(syntaxErr.Offset)-1, 0)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || offset >= len(strings.TrimRight(src.Text, " \t\r\n")) {
		return diag.Errorf(diag.Syntax, "the file ends in the middle of a JSON value").
			At(syntax.Range{Source: src, Start: len(src.Text), End: len(src.Text)}.Span()).WithHint("close every brace, bracket and string")
	}
	if strings.Count(src.Text[:offset], "[")+strings.Count(src.Text[:offset], "{") > maxDecoder {
		return diag.Errorf(diag.LimitExceeded, "nested too deeply (limit %d)", maxNesting).At(syntax.Range{Source: src, Start: offset, End: offset + 1}.Span())
	}
	d := diag.Errorf(diag.Syntax, "not JSON: %s", err).At(syntax.Range{Source: src, Start: offset, End: offset + 1}.Span())
	before := strings.TrimRight(src.Text[:offset], " \t\r\n")
	switch c := src.Text[offset]; {
	case c == '#' || c == '/':
		d.Hint = "JSON has no comments; YAML has, in a file with the ending .yaml"
	case c == '\'':
		d.Hint = "strings stand in double quotes"
	case (c == '}' || c == ']') && strings.HasSuffix(before, ","):
		d.Hint = "remove the comma before it"
	case c == '"':
		d.Hint = "put a comma before it"
	case strings.HasSuffix(before, "{") || strings.HasSuffix(before, ","):
		d.Hint = "keys and strings stand in double quotes"
	}
	return d
}
