package strictjson

import (
	"encoding/json"
	"strings"
	"testing"
)

func skip(text string) error { return Read([]byte(text), (*Reader).Skip) }

// TestRead is about what is JSON, and what of it is refused.
func TestRead(t *testing.T) {
	for _, text := range []string{
		`{}`, `[]`, `""`, "\t{ \"a\" :\r\n[ 1 , 2 ] } ", `0`, `-0`, `1.5e+10`, `-12.0E-1`, `true`, `false`, `null`,
		`{"a":{"a":1},"b":{"a":2}}`, `{"a":1,"A":2}`, `["\ud83d\ude00","\ufffd","\\ud800"]`, "\"\u007f\u2028\"",
		strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth),
	} {
		if err := skip(text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	many := make(map[string]int)
	for i := range 100 {
		many[strings.Repeat("x", i)] = i
	}
	wide, _ := json.Marshal(many)
	most := make(map[int]int)
	for i := range maxMembers {
		most[i] = i
	}
	widest, _ := json.Marshal(most)
	if err := skip("[" + string(widest) + "," + string(widest) + "]"); err != nil {
		t.Errorf("two objects of %d members: %v", maxMembers, err)
	}
	if err := skip(string(wide)); err != nil {
		t.Errorf("%s: %v", wide, err)
	}
	for text, want := range map[string]string{
		``: "the JSON ends where a value", `{`: "the JSON ends where a string", `[1`: "comma or ']'", `{"a":1`: "comma or '}'",
		`{"a"}`: "a colon", `{"a":}`: "a value", `{a:1}`: "a string", `[1,]`: "a value", `{"a":1,}`: "a string", `[1 2]`: "a comma",
		`{}{}`: "something follows", `{} x`: "something follows", "{}\x00": "something follows", "\ufeff{}": "a value",
		`01`: "something follows", `+1`: "a value", `.5`: "a value", `1.`: "a number", `1e`: "a number", `-`: "a number", `0x1`: "something follows", `NaN`: "a value",
		`nul`: "null", `True`: "a value", `'a'`: "a value", `"a`: "ends in a string", `"\"`: "ends in a string", `"\`: "escape sequence",
		"\"a\nb\"": "control character", `"\x41"`: "escape sequence", `"\u12"`: "escape sequence", `"\u12g4"`: "escape sequence", `"\u+123"`: "escape sequence",
		`"\ud800"`: "surrogate", `"\udc00\ud800"`: "surrogate", `"\ud800x"`: "surrogate", `"\ud83d\u0041"`: "surrogate",
		"\"\xff\"": "UTF-8", "{\"\xc0\x80\":1}": "UTF-8", "\"\xed\xa0\x80\"": "UTF-8",
		`{"a":1,"a":1}`: `two members "a"`, `{"a":1,"\u0061":2}`: `two members "a"`, `[{"x":[{"a":1,"b":2,"a":3}]}]`: `two members "a"`,
		strings.Replace(string(wide), `"xx":`, `"xxx":`, 1):               `two members "xxx"`,
		strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1): "deeper than",
		strings.Repeat(`{"a":`, 1<<20):                                    "deeper than",
		strings.Replace(string(widest), "{", `{"x":0,`, 1):                "more than 10000 members",
	} {
		if err := skip(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.50q: %v, want %q", text, err, want)
		}
	}
}

// TestObject is about the members that somebody asks for.
func TestObject(t *testing.T) {
	read := func(text string) (got string, err error) {
		err = Read([]byte(text), func(r *Reader) {
			r.Object([]string{"layers", "os.version", "kelvin"}, func(name string) {
				got += name + "\n"
				r.Skip()
			})
		})
		return got, err
	}
	if got, err := read(`{"layers":1,"x":null,"kelvin":null,"os.version":2,"l\u0061yer":3}`); got != "layers\nx\nos.version\nlayer\n" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	// encoding/json folds all of these, also with characters outside ASCII.
	for _, name := range []string{"Layers", "LAYERS", `l\u0041yers`, "layerſ", "OS.Version", "\u212aelvin"} {
		if got, err := read(`{"` + name + `":1}`); err == nil || !strings.Contains(err.Error(), "is spelled") {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for _, text := range []string{`null`, `[]`, `""`, `{"layers":1,"layers":2}`, `{"layers":null,"layers":2}`} {
		if got, err := read(text); err == nil {
			t.Errorf("%s: %q", text, got)
		}
	}
}

func TestInt(t *testing.T) {
	for text, want := range map[string]int64{`0`: 0, ` -7 `: -7, `9223372036854775807`: 1<<63 - 1} {
		var got int64
		if err := Read([]byte(text), func(r *Reader) { got = r.Int() }); got != want || err != nil {
			t.Errorf("%s: %d, %v", text, got, err)
		}
	}
	for _, text := range []string{`9223372036854775808`, `2.0`, `2e0`, `"2"`, `null`, `02`, ``} {
		if err := Read([]byte(text), func(r *Reader) { r.Int() }); err == nil {
			t.Errorf("%s is taken", text)
		}
	}
}

// FuzzRead looks for texts that are taken and are no JSON, or strings that
// encoding/json reads otherwise.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{`{"a":[1,-2.5e3,true,null,"\u00e9\n\ud83d\ude00"]}`, `"\\\/\b\f\n\r\t\"x"`, `"\ud83d"`, `[[[]]]`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := Read(data, (*Reader).Skip); err == nil && !json.Valid(data) {
			t.Errorf("%q is taken", data)
		}
		var got, want string
		if err := Read(data, func(r *Reader) { got = r.String() }); err != nil {
			return
		}
		if err := json.Unmarshal(data, &want); err != nil || got != want {
			t.Errorf("%q is read as %q, want %q (%v)", data, got, want, err)
		}
	})
}
