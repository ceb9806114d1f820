package diag

import (
	"encoding/json"
	"io"
	"net/url"
	"path"
	"strings"
)

// The parts of the Static Analysis Results Interchange Format 2.1.0 (OASIS)
// that are written. Sections are those of its specification.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool        sarifTool         `json:"tool"`
		ColumnKind  string            `json:"columnKind"` // §3.14.27
		Invocations []sarifInvocation `json:"invocations"`
		Results     []sarifResult     `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name           string      `json:"name"`
		Version        string      `json:"version"`
		InformationURI string      `json:"informationUri"`
		Rules          []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID               Code       `json:"id"`
		ShortDescription sarifText  `json:"shortDescription"`
		Help             *sarifText `json:"help,omitempty"`
	}
	sarifInvocation struct {
		Successful bool `json:"executionSuccessful"`
		ExitCode   int  `json:"exitCode"`
	}
	sarifResult struct {
		RuleID    Code            `json:"ruleId"`
		RuleIndex int             `json:"ruleIndex"`
		Level     string          `json:"level"`
		Message   sarifText       `json:"message"`
		Locations []sarifLocation `json:"locations,omitempty"`
		Related   []sarifLocation `json:"relatedLocations,omitempty"`
	}
	sarifLocation struct {
		ID       *int           `json:"id,omitempty"` // §3.28.2: of a related location, so that the message can link it
		Physical *sarifPhysical `json:"physicalLocation,omitempty"`
		Logical  []sarifLogical `json:"logicalLocations,omitempty"`
		Message  *sarifText     `json:"message,omitempty"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   *sarifRegion  `json:"region,omitempty"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifLogical struct {
		FullyQualifiedName string `json:"fullyQualifiedName"`
	}
	sarifRegion struct {
		StartLine   int `json:"startLine"`
		StartColumn int `json:"startColumn"`
		EndLine     int `json:"endLine,omitempty"`
		EndColumn   int `json:"endColumn,omitempty"`
	}
	sarifText struct {
		Text     string `json:"text"`
		Markdown string `json:"markdown,omitempty"`
	}
)

const (
	sarifSchema   = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
	sarifHomepage = "https://github.com/berth-oci/berth"
)

// WriteSARIF writes a log of one run of the named version of the program, which
// exits with the given code.
func WriteSARIF(w io.Writer, list List, version string, exit int) error {
	run := sarifRun{
		Tool: sarifTool{sarifDriver{Name: "berth", Version: version, InformationURI: sarifHomepage, Rules: []sarifRule{}}},
		// Positions of this package count characters.
		ColumnKind: "unicodeCodePoints",
		// A run that found faults has done its work.
		Invocations: []sarifInvocation{{Successful: true, ExitCode: exit}},
		Results:     []sarifResult{},
	}
	index := map[Code]int{}
	for _, d := range list {
		if _, ok := index[d.Code]; !ok {
			index[d.Code] = len(run.Tool.Driver.Rules)
			run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, ruleOf(d.Code))
		}
		run.Results = append(run.Results, resultOf(d, index[d.Code]))
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(sarifLog{Schema: sarifSchema, Version: "2.1.0", Runs: []sarifRun{run}})
}

func ruleOf(c Code) sarifRule {
	e := c.Explain()
	plain := strings.NewReplacer("`", "")
	rule := sarifRule{ID: c, ShortDescription: sarifText{Text: plain.Replace(e.Wrong)}}
	if e.Remedy != "" {
		rule.Help = &sarifText{Text: plain.Replace(e.Remedy), Markdown: e.Remedy}
	}
	return rule
}

func resultOf(d *Diagnostic, rule int) sarifResult {
	// Single braces are placeholders (§3.11.5).
	escape := strings.NewReplacer("{", "{{", "}", "}}")
	text := escape.Replace(d.Message)
	if d.Hint != "" {
		text += " (" + escape.Replace(d.Hint) + ")"
	}
	r := sarifResult{RuleID: d.Code, RuleIndex: rule, Level: d.Severity.String(), Message: sarifText{Text: text}}
	at := sarifLocation{Physical: physical(d.Span)}
	if d.Path != "" {
		at.Logical = []sarifLogical{{d.Path}}
	}
	if at.Physical != nil || at.Logical != nil {
		r.Locations = []sarifLocation{at}
	}
	for i, other := range d.Related {
		loc := sarifLocation{ID: &i, Physical: physical(other.Span)}
		if other.Message != "" {
			loc.Message = &sarifText{Text: escape.Replace(other.Message)}
		}
		r.Related = append(r.Related, loc)
	}
	return r
}

// physical returns the place of a span, nil for one that is in no file.
func physical(s Span) *sarifPhysical {
	if s.Start.File == "" {
		return nil
	}
	p := &sarifPhysical{Artifact: sarifArtifact{URI: fileURI(s.Start.File)}}
	if s.Start.IsValid() {
		p.Region = &sarifRegion{StartLine: s.Start.Line, StartColumn: s.Start.Column}
		if s.End.Line > s.Start.Line || s.End.Line == s.Start.Line && s.End.Column > s.Start.Column {
			p.Region.EndLine, p.Region.EndColumn = s.End.Line, s.End.Column
		}
	}
	return p
}

// fileURI returns a file name as a URI (RFC 3986): a relative one stays relative
// to whatever the reader takes for the root.
func fileURI(name string) string {
	name = slashes(name)
	if len(name) > 1 && name[1] == ':' { // a drive of Windows
		name = "/" + name
	}
	u := url.URL{Path: name}
	if path.IsAbs(name) {
		u.Scheme = "file"
	}
	return u.String()
}
