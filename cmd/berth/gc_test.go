package main

import (
	"context"
	"io"
	"testing"

	"github.com/berth-oci/berth/internal/local/embedded/store"
)

// A pager that nobody scrolls does not keep a collection from being stopped.
func TestVerdictsNobodyReads(t *testing.T) {
	r, w := io.Pipe()
	defer r.Close()
	ctx, cancel := context.WithCancel(t.Context())
	explain, done := (&app{stdout: newTerminal(w)}).verdicts(ctx, true)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for range 10_000 {
			explain(store.Verdict{Kind: "blob", Why: "tag latest"})
		}
		done()
	}()
	select {
	case <-stopped:
		t.Error("what nobody reads was printed")
	default:
	}
	cancel()
	<-stopped
}
