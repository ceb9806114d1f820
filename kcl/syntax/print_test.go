package syntax

import (
	"strings"
	"testing"
)

// TestFormat holds the canonical text.
func TestFormat(t *testing.T) {
	source := `"""
    The file.

      Indented.
  """
import  a.b  as c # why
type T="x"|int
a   =  {b=1,c : 2
}
b: [int]=[1,2,
3]
c = Item{ name = "n", ports = [80, 443], labels = {app = "x", tier.kind: "y"}, urls = ["${scheme}://x"] }
$if = r"a\b" + 'q"' + """
  x
"""
if a: b = -1 else: -1
d = lambda x: int, y = z, { x + y }
e = lambda {
 y = 1
 y
}
f = [x for x in [1] if x]
g = {
    if a: b = 1 elif c: d = 2 else: e = 3
    **h
}
i = all x in j { x > 0 if x }
schema S[n: int](B):
    '''Doc'''
    mixin [M, N]
    @deprecated()
    type?: str = "a"
    "x-y": int
    [...str]: any
    check:
        a > 0 if b, "m"
`
	want := `"""
      The file.

        Indented.
    """
import a.b as c
type T = "x" | int
a = {b = 1, c: 2}
b: [int] = [1, 2, 3]
c = Item {
    name = "n"
    ports = [80, 443]
    labels = {app = "x", tier.kind: "y"}
    urls = ["${scheme}://x"]
}
$if = "a\\b" + "q\"" + "x\n"
if a:
    b = -1
else: -1
d = lambda x: int, y = z, { x + y }
e = lambda {
    y = 1
    y
}
f = [x for x in [1] if x]
g = {
    if a:
        b = 1
    elif c:
        d = 2
    else:
        e = 3
    **h
}
i = all x in j { x > 0 if x }
schema S[n: int](B):
    """Doc"""
    mixin [M, N]
    [...str]: any
    @deprecated
    type?: str = "a"
    "x-y": int
    check:
        a > 0 if b, "m"
`
	f, faults := Parse(NewSource("x.k", source))
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	if got := Format(f); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	printsTheSame(t, f)
	var b strings.Builder
	if err := Print(&b, f.Body[2]); err != nil || b.String() != "a = {b = 1, c: 2}" {
		t.Errorf("got %s, %v", b.String(), err)
	}
}

func TestEqual(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"a = 1", "a  =  1 # c", true},
		{"a = 1", "a = 2", false},
		{"a = 1", "a = 1.0", false},
		{"a = 1", "a = 1Ki", false},
		{"a = b.c", "a = b?.c", false},
		{"a = (b)", "a = b", false},
		{"a = {b: 1}", "a = {b = 1}", false},
		{"a = [1]", "a = [1, 2]", false},
		{"a = 'x'", "a = r\"\"\"x\"\"\"", true},
		{"a: int = 1", "a = 1", false},
		{"if a: b = 1", "if a:\n    b = 1\nelse:\n    c = 1", false},
		{`"""x"""`, `"""y"""`, false},
	} {
		x, _ := Parse(NewSource("a.k", c.a))
		y, _ := Parse(NewSource("b.k", c.b))
		if got := Equal(x, y); got != c.want {
			t.Errorf("%s and %s: got %t", c.a, c.b, got)
		}
	}
}
