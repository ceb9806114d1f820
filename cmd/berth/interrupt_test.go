package main

import (
	"bytes"
	"context"
	"os"
	"testing"
	"time"

	"github.com/berth-oci/berth/diag"
)

// TestInterrupt ends commands that wait for standard input or evaluate when the
// user asks for it.
func TestInterrupt(t *testing.T) {
	in, out, err := os.Pipe() // nothing comes, and no end
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	defer out.Close()
	for _, args := range [][]string{{"validate", "-"}, {"show", "-f", "-"}, {"kcl", "run", "-"}} {
		ctx, stop := context.WithCancel(t.Context())
		time.AfterFunc(20*time.Millisecond, stop)
		var stderr bytes.Buffer
		a := &app{stdin: in, stdout: newTerminal(&bytes.Buffer{}), stderr: newTerminal(&stderr)}
		if code := a.run(ctx, args); code != diag.ExitInterrupted {
			t.Errorf("%v: exit %d, %s", args, code, &stderr)
		}
		stop()
	}
}
