package diag

import (
	"fmt"
	"io"
	"strings"
)

// WriteGitHub writes each diagnostic as a workflow command of GitHub Actions,
// which annotates the line of a pull request. Properties and messages are
// escaped as the runner takes them apart.
func WriteGitHub(w io.Writer, list List) {
	property := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
	data := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	for _, d := range list {
		message := d.Message
		for _, r := range d.Related {
			message += strings.TrimSuffix(fmt.Sprintf("\n%s: %s", r.Span.Start, r.Message), ": ")
		}
		if d.Hint != "" {
			message += "\nhint: " + d.Hint
		}
		place := ""
		if d.Span.Start.File != "" {
			place = fmt.Sprintf("file=%s,", property.Replace(slashes(d.Span.Start.File)))
		}
		if s := d.Span.Start; s.IsValid() {
			place += fmt.Sprintf("line=%d,col=%d,", s.Line, s.Column)
			if e := d.Span.End; e.Line > s.Line || e.Column > s.Column {
				place += fmt.Sprintf("endLine=%d,endColumn=%d,", e.Line, e.Column)
			}
		}
		fmt.Fprintf(w, "::%s %stitle=%s::%s\n", d.Severity, place, property.Replace(string(d.Code)), data.Replace(message))
	}
}

// slashes returns a file name as URIs and GitHub write it.
func slashes(name string) string { return strings.ReplaceAll(name, "\\", "/") }
