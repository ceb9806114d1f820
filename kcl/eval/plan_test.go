package eval

import "testing"

// TestPlanStream outputs documents that a program chose itself: the text is
// its own, JSON is made of the values.
func TestPlanStream(t *testing.T) {
	dict := func(key string, v Value) *Dict {
		d := &Dict{}
		d.set(&Entry{Key: key, Value: v})
		return d
	}
	for _, test := range []struct {
		docs []Value
		want string
	}{
		{nil, "null"},
		{[]Value{Int(1)}, "1"},
		{[]Value{dict("a", Int(1))}, `{"a": 1}`},
		{[]Value{dict("a", Int(1)), dict("_b", None{})}, "{\"a\": 1}\n{\"_b\": null}"},
		{[]Value{listOf(Int(1)), listOf(Int(2), dict("a", Int(1)))}, `{"a": 1}`},
	} {
		p := &Program{ev: &evaluator{stream: &stream{text: "written", separator: "---", docs: test.docs, plan: Plan{ShowHidden: true}}}}
		out, faults := p.Plan(Plan{})
		if faults.Err() != nil || out.YAML() != "written" || out.JSON() != test.want {
			t.Errorf("%v: got %s and %s, want %s", test.docs, out.YAML(), out.JSON(), test.want)
		}
	}
}

// TestParseArgument reads values as the kcl command does.
func TestParseArgument(t *testing.T) {
	for text, want := range map[string]string{
		"1": "1", " -3": "-3", "1.0": "1.0", "true": "True", "True": "True", "None": "None", "null": "None", "Undefined": "None",
		"abc": `"abc"`, `"x"`: `"x"`, "'x'": `"'x'"`, "1e3": `"1e3"`, "-1.5E-3": `"-1.5E-3"`, "0x10": `"0x10"`, "1Mi": `"1Mi"`, "01": `"01"`,
		"9223372036854775808": "9223372036854776000.0", `[1, {"b": null, "a": [true]}]`: `[1, {'b': None, 'a': [True]}]`,
		"{a=1}": `"{a=1}"`, "[1": `"[1"`, "": `""`,
	} {
		if got := repr(ParseArgument(text)); got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}

// repr writes a value so that its type shows.
func repr(v Value) string {
	if s, ok := v.(String); ok {
		return quote(string(s), '"')
	}
	return text(v)
}
