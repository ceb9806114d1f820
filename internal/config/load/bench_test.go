package load_test

import (
	"os"
	"testing"

	"github.com/berth-oci/berth/internal/config/load"
)

func BenchmarkSolo(b *testing.B) {
	text, err := os.ReadFile("../../../examples/solo/registry.k")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := load.Text("registry.k", "registry.k", string(text), load.Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
