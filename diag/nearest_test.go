package diag_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/berth-oci/berth/diag"
)

func TestNearest(t *testing.T) {
	many := []string{"endpoint"}
	for i := range 200_000 {
		many = append(many, "name"+strconv.Itoa(i))
	}
	long := strings.Repeat("a", 100_000)
	for _, test := range []struct {
		name       string
		candidates []string
		want       string
	}{
		{"prot", []string{"part", "port"}, "port"},
		{"porz", []string{"port", "pork"}, "pork"}, // the first of two as near
		{"porz", []string{"pork", "port"}, "pork"},
		{"ab", []string{"ba"}, "ba"},
		{"ab", []string{"xy"}, ""},
		{"a", []string{"b"}, "b"},
		{"username", []string{"usr", "user_name"}, "user_name"},
		{"ünï", []string{"uni", "ünî"}, "ünî"},
		{"x", nil, ""},
		{"endpiont", many, "endpoint"},
		{long, []string{long + "b"}, ""},
		{"a", []string{long}, ""},
	} {
		if got := diag.Nearest(test.name, test.candidates); got != test.want {
			t.Errorf("%.20s is near %q, want %q", test.name, got, test.want)
		}
	}
}
