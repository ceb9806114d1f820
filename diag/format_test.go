package diag_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/berth-oci/berth/diag"
)

// sarif is the JSON Schema of the parts of SARIF 2.1.0 that are written, after
// its specification: required properties, types, bounds and nothing beside.
const sarif = `{
  "type": "object", "additionalProperties": false, "required": ["version", "runs"],
  "properties": {
    "$schema": {"type": "string", "format": "uri"},
    "version": {"const": "2.1.0"},
    "runs": {"type": "array", "items": {
      "type": "object", "additionalProperties": false, "required": ["tool"],
      "properties": {
        "tool": {"type": "object", "additionalProperties": false, "required": ["driver"], "properties": {"driver": {
          "type": "object", "additionalProperties": false, "required": ["name"],
          "properties": {
            "name": {"type": "string"}, "version": {"type": "string"}, "informationUri": {"type": "string", "format": "uri"},
            "rules": {"type": "array", "uniqueItems": true, "items": {
              "type": "object", "additionalProperties": false, "required": ["id"],
              "properties": {"id": {"type": "string"}, "shortDescription": {"$ref": "#/$defs/text"}, "help": {"$ref": "#/$defs/text"}}}}}}}},
        "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
        "invocations": {"type": "array", "uniqueItems": false, "items": {
          "type": "object", "additionalProperties": false, "required": ["executionSuccessful"],
          "properties": {"executionSuccessful": {"type": "boolean"}, "exitCode": {"type": "integer"}}}},
        "results": {"type": "array", "items": {
          "type": "object", "additionalProperties": false, "required": ["message"],
          "properties": {
            "ruleId": {"type": "string"}, "ruleIndex": {"type": "integer", "minimum": -1},
            "level": {"enum": ["none", "note", "warning", "error"]}, "message": {"$ref": "#/$defs/text"},
            "locations": {"type": "array", "items": {"$ref": "#/$defs/location"}},
            "relatedLocations": {"type": "array", "uniqueItems": true, "items": {"$ref": "#/$defs/location"}}}}}}}}
  },
  "$defs": {
    "text": {"type": "object", "additionalProperties": false, "required": ["text"], "properties": {"text": {"type": "string"}, "markdown": {"type": "string"}}},
    "location": {"type": "object", "additionalProperties": false, "properties": {
      "id": {"type": "integer", "minimum": -1}, "message": {"$ref": "#/$defs/text"},
      "logicalLocations": {"type": "array", "uniqueItems": true, "items": {"type": "object", "additionalProperties": false, "properties": {"fullyQualifiedName": {"type": "string"}}}},
      "physicalLocation": {"type": "object", "additionalProperties": false, "required": ["artifactLocation"], "properties": {
        "artifactLocation": {"type": "object", "additionalProperties": false, "properties": {"uri": {"type": "string", "format": "uri-reference"}}},
        "region": {"type": "object", "additionalProperties": false, "properties": {
          "startLine": {"type": "integer", "minimum": 1}, "startColumn": {"type": "integer", "minimum": 1},
          "endLine": {"type": "integer", "minimum": 1}, "endColumn": {"type": "integer", "minimum": 1}}}}}}}
  }
}`

func span(file string, line, col, endLine, endCol int) diag.Span {
	return diag.Span{Start: diag.Pos{File: file, Line: line, Column: col}, End: diag.Pos{File: file, Line: endLine, Column: endCol}}
}

// faults are diagnostics of every form.
var faults = diag.List{
	{Code: diag.WrongType, Message: "x must be {str:int}", Path: "x", Hint: "write 5%", Span: span(`dir\a b:c,ü.k`, 1, 2, 1, 4),
		Related: []diag.Related{{Span: span("oci_registry.k", 3, 1, 4, 1), Message: "here"}, {Span: span("/abs/x.k", 3, 1, 3, 1)}}},
	{Code: diag.WrongType, Severity: diag.Warning, Message: "two\nlines", Span: span("a.k", 1, 2, 1, 2)},
	{Code: diag.NoConfig, Message: "no place"},
	{Code: diag.Syntax, Message: "a file", Span: diag.Span{Start: diag.Pos{File: "<stdin>"}}},
}

func TestSARIF(t *testing.T) {
	for name, list := range map[string]diag.List{"none": nil, "all": faults} {
		var b bytes.Buffer
		if err := diag.WriteSARIF(&b, list, "1.2.3", 3); err != nil {
			t.Fatal(err)
		}
		schema, err := jsonschema.UnmarshalJSON(strings.NewReader(sarif))
		if err != nil {
			t.Fatal(err)
		}
		c := jsonschema.NewCompiler()
		c.AssertFormat()
		if err := c.AddResource("sarif.json", schema); err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		if err := c.MustCompile("sarif.json").Validate(doc); err != nil {
			t.Errorf("%s: %v\n%s", name, err, b.String())
		}
	}
}

// TestSARIFContent looks at what a schema cannot check.
func TestSARIFContent(t *testing.T) {
	var b bytes.Buffer
	if err := diag.WriteSARIF(&b, faults, "1.2.3", 3); err != nil {
		t.Fatal(err)
	}
	var log struct {
		Runs []struct {
			Tool struct {
				Driver struct{ Rules []struct{ ID string } }
			}
			Results []struct {
				RuleID    string
				RuleIndex int
				Message   struct{ Text string }
				Locations []struct {
					PhysicalLocation struct {
						ArtifactLocation struct{ URI string }
						Region           map[string]int
					}
				}
				RelatedLocations []struct {
					PhysicalLocation struct{ ArtifactLocation struct{ URI string } }
				}
			}
		}
	}
	if err := json.Unmarshal(b.Bytes(), &log); err != nil {
		t.Fatal(err)
	}
	run := log.Runs[0]
	if len(run.Tool.Driver.Rules) != 3 {
		t.Errorf("%d rules for three codes", len(run.Tool.Driver.Rules))
	}
	for _, r := range run.Results {
		if run.Tool.Driver.Rules[r.RuleIndex].ID != r.RuleID {
			t.Errorf("result of %s has the index of %s", r.RuleID, run.Tool.Driver.Rules[r.RuleIndex].ID)
		}
	}
	first := run.Results[0]
	if first.Message.Text != "x must be {{str:int}} (write 5%)" {
		t.Errorf("message %q", first.Message.Text)
	}
	if uri := first.Locations[0].PhysicalLocation.ArtifactLocation.URI; uri != "dir/a%20b:c,%C3%BC.k" {
		t.Errorf("URI %s", uri)
	}
	if uri := first.RelatedLocations[1].PhysicalLocation.ArtifactLocation.URI; uri != "file:///abs/x.k" {
		t.Errorf("absolute URI %s", uri)
	}
	if region := run.Results[1].Locations[0].PhysicalLocation.Region; len(region) != 2 || region["startColumn"] != 2 {
		t.Errorf("an empty span is %v", region)
	}
	if len(run.Results[2].Locations) != 0 {
		t.Error("a fault without a place has one")
	}
}

func TestGitHub(t *testing.T) {
	var b bytes.Buffer
	diag.WriteGitHub(&b, faults)
	want := `::error file=dir/a b%3Ac%2Cü.k,line=1,col=2,endLine=1,endColumn=4,title=wrong-type::x must be {str:int}%0Aoci_registry.k:3:1: here%0A/abs/x.k:3:1%0Ahint: write 5%25
::warning file=a.k,line=1,col=2,title=wrong-type::two%0Alines
::error title=no-config::no place
::error file=<stdin>,title=syntax::a file
`
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
}

func TestTextIsBounded(t *testing.T) {
	list := diag.List{}
	for range 600 {
		list = append(list, &diag.Diagnostic{Code: diag.Syntax, Message: "x"})
	}
	var b bytes.Buffer
	diag.Style{}.WriteText(&b, list, nil)
	if got := strings.Count(b.String(), "error[syntax]"); got != 500 || !strings.HasSuffix(b.String(), "\n... and 100 more\n") {
		t.Errorf("%d diagnostics are written, and then %q", got, b.String()[b.Len()-30:])
	}
	b.Reset()
	diag.Style{}.WriteText(&b, diag.List{{Code: diag.Syntax, Message: strings.Repeat("x", 1<<20), Hint: "a\x1b[31mb\u009b"}}, nil)
	if b.Len() > 3000 || strings.ContainsAny(b.String(), "\x1b\u009b") {
		t.Errorf("%d bytes are written: %.100q ... %q", b.Len(), b.String(), b.String()[b.Len()-30:])
	}
}
