package eval

import (
	"strings"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/kcl/syntax"
)

// deprecated reports the use of a schema or attribute that a decorator
// @deprecated marks: as a fault, or as a warning with strict=False.
func (s *scope) deprecated(name string, decorators []*syntax.Call, at, inst syntax.Range) {
	for _, d := range decorators {
		if id, ok := d.Fun.(*syntax.Ident); !ok || id.Name != "deprecated" {
			continue
		}
		a := s.args(d.Args, d.Keywords)
		message := []string{name + " is deprecated"}
		if version, ok := a.keywords["version"].(String); ok && version != "" {
			message = append(message, "since version "+string(version))
		}
		text := strings.Join(message, " ")
		if reason, ok := a.keywords["reason"].(String); ok && reason != "" {
			text += ", " + string(reason)
		}
		fault := diag.Errorf(diag.Deprecated, "%s", text).At(at.Span())
		if strict, ok := a.keywords["strict"].(Bool); ok && !bool(strict) {
			fault.Severity = diag.Warning
		}
		fault.Related = []diag.Related{{Span: d.Span(), Message: "marked here"}}
		if inst != at {
			fault.Related = append(fault.Related, diag.Related{Span: inst.Span(), Message: "in this block"})
		}
		s.ev.report(fault)
	}
}
