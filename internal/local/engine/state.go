package engine

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/atomicfile"
	"github.com/berth-oci/berth/internal/base/regular"
)

// stateFile is kept in the data directory while a registry runs there. After a
// crash it stays behind; the lock, which the system releases, tells.
const stateFile = "berth.state.json"

// OwnFiles lists the files of a data directory that belong to the engine.
func OwnFiles(dir string) (files []string) {
	for _, name := range []string{lockFile, formerLockFile, stateFile, idFile, taskFile, stoppingFile} {
		files = append(files, filepath.Join(dir, name))
	}
	return files
}

// identity is of a process, and of no other that is given its pid later.
type identity struct {
	PID   int    `json:"pid"`
	Birth uint64 `json:"birth"`          // its start time as the system counts it; 0 when the system does not tell
	Boot  string `json:"boot,omitempty"` // since when it counts; "" where that is the same at each start of the machine
}

// self returns that of this process.
func self() identity {
	birth, _ := processBirth(os.Getpid())
	return identity{os.Getpid(), birth, bootID()}
}

// alive reports whether its process exists still.
func (p identity) alive() bool {
	birth, err := processBirth(p.PID)
	return err == nil && p.PID > 0 && birth == p.Birth && (p.Boot == "" || p.Boot == bootID())
}

// process returns what signals reach the process by: it leads to no other, where
// the system can tell, when that one ends meanwhile. It is nil when it is gone.
func (p identity) process() *os.Process {
	process, err := os.FindProcess(p.PID)
	if err != nil || !p.alive() {
		return nil
	}
	return process
}

// State is what a running registry tells about itself.
type State struct {
	identity           // of the process that serves
	Started  time.Time `json:"started"` // when it began to serve
	Ready    bool      `json:"ready"`   // it answered once
	Product  string    `json:"product"`
	Version  string    `json:"version"` // of berth
	Address  string    `json:"address"` // host:port it listens on
	Endpoint string    `json:"endpoint"`
	TLS      bool      `json:"tls"`
	Source   string    `json:"source"` // berth's config; "" for the built-in one
	Config   string    `json:"config"` // the registry's native config
	Digest   string    `json:"digest"` // of how it was configured
	LogFile  string    `json:"log_file"`

	// Directory is the data directory that it was written in: a copy of it runs
	// nothing. An older berth left it out.
	Directory string `json:"directory,omitempty"`

	Drain time.Duration `json:"drain_ns"` // longest time that it takes to stop
}

func newState(u Unit) State {
	return State{
		identity: self(), Started: time.Now().UTC().Truncate(time.Millisecond),
		Product: u.Product, Version: u.Version, Address: u.Listen, Endpoint: u.Endpoint, TLS: u.TLS,
		Source: u.Source, Config: u.Config, Digest: u.Digest(), LogFile: u.LogFile, Drain: u.Drain,
		Directory: directoryID(u.Dir),
	}
}

func (s State) scheme() string {
	if s.TLS {
		return "https"
	}
	return "http"
}

// replaces reports whether s is of a process that took the lock after old's.
func (s State) replaces(old State) bool {
	return s.PID != 0 && s.identity != old.identity
}

func (s State) write(dir string) error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return atomicfile.WriteVolatile(filepath.Join(dir, stateFile), append(data, '\n'), 0o600)
}

// readState returns the zero State when there is none, or none that can be
// read: the file is only ever replaced whole, so that means a foreign file, or one
// that a power cut left, which ended the registry too.
func readState(dir string) State {
	var s State
	data, err := regular.ReadSmall(filepath.Join(dir, stateFile))
	if err == nil && json.Unmarshal(data, &s) != nil {
		return State{}
	}
	return s
}

// crashPatience is what a start waits for the port after a crash, of which a
// state without a lock tells; otherwise it does not wait.
func crashPatience(dir string) time.Duration {
	if readState(dir).PID == 0 {
		return 0
	}
	return stopPatience
}

// removeState removes the state of this process. Failing leaves a stale file,
// which does no harm.
func removeState(dir string) {
	if readState(dir).identity == self() {
		_ = os.Remove(filepath.Join(dir, stateFile))
	}
}

func asDiagnostic(err error) (*diag.Diagnostic, bool) {
	var d *diag.Diagnostic
	return d, errors.As(err, &d)
}
