package syntax

import (
	"fmt"
	"slices"
	"testing"
)

// TestWalk makes sure that every place in which an expression can be is
// visited: the names there, in order.
func TestWalk(t *testing.T) {
	f, faults := Parse(NewSource("x.k", `
a: A = n1 + n2[n3:n4:n5](n6, k=n7)
b[n8].c = {(n9).d: n10, x[n11 + 1] = n12, **n13, if n14: y = n15 else: z = n16}
type T = {K:[E]} | (P) -> R
assert n17 if n18, n19
if n20:
    n21 as C
else:
    "${n22}"
schema S[p: Q = n23](n24) for n25:
    mixin [n26]
    @n27(n28)
    s: U = n29
    [k: I]: J = n30
    check:
        n31 if n32, n33
f = lambda q: V = n34 -> W { [n35 if n36 else n37, *n38, (not n39), n40 < n41] }
g = [n42 for v in n43 if n44] | {n45: n46 for v in n47} | all v in n48 { n49 if n50 }
h += [
    if n51:
        n52
    else:
        n53
]
i: n54(n55, m=n56) {j = n57}
`))
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	var names, types []string
	seen := map[string]bool{}
	Walk(f, func(n Node) bool {
		switch n := n.(type) {
		case *Ident:
			names = append(names, n.Name)
			seen[n.Name] = true
		case *NamedType:
			types = append(types, n.Path[0].Text)
		}
		return true
	})
	for i := 1; i <= 57; i++ {
		if name := fmt.Sprint("n", i); !seen[name] && i != 45 { // a name that is a key
			t.Errorf("%s is not visited: %v", name, names)
		}
	}
	slices.Sort(types)
	if want := []string{"A", "C", "E", "I", "J", "K", "P", "Q", "R", "U", "V", "W"}; !slices.Equal(types, want) {
		t.Errorf("types %v, want %v", types, want)
	}
	count := 0
	Walk(f, func(Node) bool { count++; return false })
	if count != 1 {
		t.Errorf("%d nodes visited, want the file only", count)
	}
}
