package main

import (
	"context"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/berth-oci/berth/internal/testtool"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"berth": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", env.WorkDir)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"registry": registryCommand},
	})
}

// registryCommand is `registry VAR`: it starts an empty registry in the test
// process, puts its port into VAR, and fills $PORT in each *.yaml of the script.
func registryCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: registry VAR")
	}
	ctx, cancel := context.WithCancel(context.Background())
	server := httptest.NewServer(testtool.Registry(ctx))
	ts.Defer(func() { server.Close(); cancel() })
	port := server.URL[strings.LastIndexByte(server.URL, ':')+1:]
	ts.Setenv(args[0], port)
	entries, err := os.ReadDir(ts.MkAbs("."))
	ts.Check(err)
	for _, e := range entries {
		if file := ts.MkAbs(e.Name()); strings.HasSuffix(file, ".yaml") {
			data := strings.ReplaceAll(ts.ReadFile(file), "$"+args[0], port)
			ts.Check(os.WriteFile(file, []byte(data), 0o600))
		}
	}
}
