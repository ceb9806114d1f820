package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gofrs/flock"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/berth-oci/berth/internal/base/testtool"
)

// The scripts in testdata/script run the real program. Beside testscript's own
// commands they have these:
//
//	exitcode N PROGRAM ARG...       runs a program, whose exit code must be N
//	freeport VAR...                 puts a free TCP port into each variable
//	expand FILE...                  replaces $VAR in files
//	http [-w] [-u USER:PASS] [-t TOKEN] [-d FILE] [-H NAME=VALUE] METHOD URL STATUS
//	                                sends a request, and prints the answer: what it is on
//	                                standard output, its headers on standard error;
//	                                with -w it is sent again until the status is that
//	upload VAR URL FILE             puts a blob into the repository at URL, and its digest into VAR
//	digest VAR FILE                 puts the digest of a file into VAR, its size into VAR_SIZE, and
//	                                where it is stored below blobs/sha256 into VAR_PATH
//	fill FILE BYTES                 writes a file of that size
//	flip FILE                       changes a bit in the middle of a file
//	shows ADDRESS CERT              a TLS server shows the certificate in a file, after 3 s at most
//	until FILE TEXT PROGRAM ARG...  runs a program until a file, or its stdout or stderr, has a text
//	waitfile FILE                   waits until a file exists
//	kill9 DATADIR                   kills the registry that runs from a data directory
//	registry VAR [NAME]             starts an empty registry in the test process, puts its
//	                                port into VAR and expands each *.yaml of the script; it
//	                                notes every request in NAME.log, and fails as NAME.faults
//	                                says, each line METHOD PATTERN STATUS|hang [AFTER]
//	image [-sha512 PARTS] VAR DIR TAG TEXT [PLATFORM...]
//	                                adds an image to an OCI layout, or with platforms an index of
//	                                them, by a tag or - for none, its digest into VAR; PARTS are
//	                                those of index,manifest,config,layer that have a sha512
//	refer [-sha512 PARTS] VAR DIR DIGEST TYPE
//	                                adds what has a manifest of the layout as its subject
//	archive FILE DIR                makes a tar of the files below a directory
//	hostile VAR [FILE...]           starts a registry that says what would control a terminal,
//	                                puts its port into VAR, and such text for EVIL into files
//	harmless FIELDS PROGRAM ARG...  runs a program, whatever it exits with: its output shows each
//	                                of the FIELDS, a,b, and nothing that controls a terminal
//	jsonl FILE TYPE                 every line is JSON, and the last one's type is TYPE
//	dockersave FILE NAME:TAG TEXT   writes an image as docker save does
//	cached DIR VAR FILE [NAME]      puts a file into the cache in DIR, its digest into VAR and where it
//	                                is into VAR_PATH; the tag v1 of extensions/NAME leads to it
//	cert CERT KEY                   writes a certificate for 127.0.0.1 and its key
//
// the programs of script_programs_test.go, and $REGISTRY, distribution's own
// program where it is installed. Registries that a script leaves
// behind are killed.

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"berth": main, "slowput": slowput, "holdport": holdport})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       os.Getenv("BERTH_TEST_UPDATE") != "",
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", filepath.Join(env.WorkDir, "home"))
			if name, err := exec.LookPath("registry"); err == nil {
				env.Setenv("REGISTRY", name)
			}
			env.Defer(func() { killAll(env.WorkDir) })
			return nil
		},
		Condition: condition,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exitcode": exitcode,
			"freeport": freeport,
			"expand":   expand,
			"http":     request,
			"waitfile": waitfile,
			"kill9":    kill9,
			"cert":     cert,
			"registry": registry,

			"upload": upload,
			"digest": digestOf,
			"fill":   fill,
			"flip":   flip,
			"shows":  shows,
			"until":  until,
			"cached": cached,

			"oldercache": olderCache,

			"hostile":    startHostile,
			"harmless":   harmless,
			"jsonl":      jsonLines,
			"image":      image,
			"refer":      refer,
			"archive":    archive,
			"dockersave": dockersave,
		},
	})
}

// condition is what a script needs, or is skipped: [tool:NAME] for a program that is
// installed, [needs:unix] for a system of that kind. With BERTH_TEST_NO_SKIP=1 a
// script fails where it would be skipped.
func condition(cond string) (bool, error) {
	name, isTool := strings.CutPrefix(cond, "tool:")
	switch {
	case isTool:
		if _, err := exec.LookPath(name); err == nil {
			return true, nil
		}
		return false, testtool.Skipping("scripts", name+" is not installed")
	case cond == "needs:unix":
		if runtime.GOOS != "windows" {
			return true, nil
		}
		return false, testtool.Skipping("scripts", "needs a Unix system")
	}
	return false, fmt.Errorf("unknown condition %s", cond)
}

func freeport(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		ts.Check(err)
		defer l.Close() // all are taken before one is given back
		ts.Setenv(name, strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
	}
}

func expand(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args {
		text := os.Expand(ts.ReadFile(name), ts.Getenv)
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(text), 0o666))
	}
}

func waitfile(ts *testscript.TestScript, _ bool, args []string) {
	for range 500 {
		if _, err := os.Stat(ts.MkAbs(args[0])); err == nil {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	ts.Fatalf("%s does not appear", args[0])
}

func kill9(ts *testscript.TestScript, _ bool, args []string) {
	killAll(ts.MkAbs(args[0]))
}

// killAll kills the registries that run from below dir.
func killAll(dir string) {
	_ = filepath.WalkDir(dir, func(name string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Base(name) != "berth.state.json" {
			return nil
		}
		var state struct {
			PID     int
			Address string
		}
		if data, err := os.ReadFile(name); err != nil || json.Unmarshal(data, &state) != nil || state.PID == 0 {
			return nil
		}
		if p, err := os.FindProcess(state.PID); err == nil {
			_ = p.Kill()
		}
		// The process is gone when its lock is.
		lock := flock.New(filepath.Join(filepath.Dir(name), "berth.engine.lock"))
		for range 200 {
			if free, err := lock.TryLock(); free || err != nil {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		_ = lock.Unlock()
		// Where the lock's file was removed, its port tells.
		for range 200 {
			l, err := net.Listen("tcp", state.Address)
			if err == nil {
				l.Close()
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		return nil
	})
}
