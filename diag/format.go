package diag

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// jsonDiagnostic is the form of a Diagnostic in JSON. Its fields are stable.
type jsonDiagnostic struct {
	Code     Code        `json:"code"`
	Severity string      `json:"severity"`
	Message  string      `json:"message"`
	Path     string      `json:"path,omitempty"`
	File     string      `json:"file,omitempty"`
	Line     int         `json:"line,omitempty"`
	Column   int         `json:"column,omitempty"`
	EndLine  int         `json:"end_line,omitempty"`
	EndCol   int         `json:"end_column,omitempty"`
	Hint     string      `json:"hint,omitempty"`
	Related  []jsonPlace `json:"related,omitempty"`
}

type jsonPlace struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Message string `json:"message,omitempty"`
}

// MarshalJSON writes code, severity, message, path, place, hint and related
// places.
func (d *Diagnostic) MarshalJSON() ([]byte, error) {
	start, end := d.Span.Start, d.Span.End
	out := jsonDiagnostic{
		Code: d.Code, Severity: d.Severity.String(), Message: d.Message, Path: d.Path, Hint: d.Hint,
		File: start.File, Line: start.Line, Column: start.Column, EndLine: end.Line, EndCol: end.Column,
	}
	for _, r := range d.Related {
		p := r.Span.Start
		out.Related = append(out.Related, jsonPlace{p.File, p.Line, p.Column, r.Message})
	}
	return json.Marshal(out)
}

// WriteGitHub writes each diagnostic as a workflow command, which annotates
// the line of a pull request.
func WriteGitHub(w io.Writer, list List) {
	property := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
	data := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	for _, d := range list {
		message := d.Message
		if d.Hint != "" {
			message += "\nhint: " + d.Hint
		}
		place := ""
		if s := d.Span.Start; s.IsValid() {
			place = fmt.Sprintf("file=%s,line=%d,col=%d,", property.Replace(s.File), s.Line, s.Column)
		}
		fmt.Fprintf(w, "::%s %stitle=%s::%s\n", d.Severity, place, property.Replace(string(d.Code)), data.Replace(message))
	}
}

// WriteSARIF writes a log in the Static Analysis Results Interchange Format
// 2.1.0 for the named version of the program.
func WriteSARIF(w io.Writer, list List, version string) error {
	type object = map[string]any
	results := []object{}
	rules := []object{}
	index := map[Code]int{}
	location := func(s Span, message string) object {
		region := object{"startLine": max(s.Start.Line, 1), "startColumn": max(s.Start.Column, 1)}
		if s.End.Line > s.Start.Line || s.End.Line == s.Start.Line && s.End.Column > s.Start.Column {
			region["endLine"], region["endColumn"] = s.End.Line, s.End.Column
		}
		loc := object{"physicalLocation": object{"artifactLocation": object{"uri": strings.ReplaceAll(s.Start.File, "\\", "/")}, "region": region}}
		if message != "" {
			loc["message"] = object{"text": message}
		}
		return loc
	}
	for _, d := range list {
		if _, ok := index[d.Code]; !ok {
			index[d.Code] = len(rules)
			rules = append(rules, object{"id": d.Code})
		}
		text := d.Message
		if d.Hint != "" {
			text += " (" + d.Hint + ")"
		}
		result := object{"ruleId": d.Code, "ruleIndex": index[d.Code], "level": d.Severity.String(), "message": object{"text": text}}
		if d.Span.Start.IsValid() {
			result["locations"] = []object{location(d.Span, "")}
		}
		var related []object
		for _, r := range d.Related {
			related = append(related, location(r.Span, r.Message))
		}
		if related != nil {
			result["relatedLocations"] = related
		}
		results = append(results, result)
	}
	log := object{
		"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0",
		"runs": []object{{
			"tool":       object{"driver": object{"name": "berth", "version": version, "rules": rules}},
			"columnKind": "unicodeCodePoints",
			"results":    results,
		}},
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(log)
}
