package diag

import "encoding/json"

// jsonDiagnostic is the form of a Diagnostic in JSON. Its fields are stable.
type jsonDiagnostic struct {
	Code     Code        `json:"code"`
	Severity string      `json:"severity"`
	Exit     int         `json:"exit"` // what a command exits with for this; 0 for a warning
	Message  string      `json:"message"`
	Path     string      `json:"path,omitempty"`
	jsonSpan             // of the value
	Hint     string      `json:"hint,omitempty"`
	Related  []jsonPlace `json:"related,omitempty"`
}

type jsonPlace struct {
	jsonSpan
	Message string `json:"message,omitempty"`
}

// jsonSpan is left out where no place is known. Lines and columns count from 1;
// the end is the first character after it.
type jsonSpan struct {
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	EndLine int    `json:"end_line,omitempty"`
	EndCol  int    `json:"end_column,omitempty"`
}

func spanJSON(s Span) jsonSpan {
	return jsonSpan{File: s.Start.File, Line: s.Start.Line, Column: s.Start.Column, EndLine: s.End.Line, EndCol: s.End.Column}
}

// MarshalJSON writes code, severity, exit code, message, path, place, hint and
// related places.
func (d *Diagnostic) MarshalJSON() ([]byte, error) {
	out := jsonDiagnostic{
		Code: d.Code, Severity: d.Severity.String(), Message: d.Message, Path: d.Path, Hint: d.Hint, jsonSpan: spanJSON(d.Span),
	}
	if d.Severity == Error {
		out.Exit = d.Code.Exit()
	}
	for _, r := range d.Related {
		out.Related = append(out.Related, jsonPlace{spanJSON(r.Span), r.Message})
	}
	return json.Marshal(out)
}
