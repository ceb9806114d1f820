//go:build unix

package registry

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// Names of contenders that the report needs.
const (
	floor  = "floor"
	berth  = "berth"
	before = "before" // another build of berth
)

// contender is one server under measurement and how it is run.
type contender struct {
	name    string
	program string
	durable bool // answers a push only when the data is synced
	lists   bool // has the referrers API
	bare    bool // the floor: no registry, and pushes write files directly
	args    func(config string) []string
	config  func(dir, port string) string // text of its config file, with storage below dir
	env     []string
}

// contenders returns the floor and what was found of the others. Each has its
// defaults, no authentication and no log of requests, which is a matter of taste
// and of the disk; only berth's cannot be turned off.
func contenders(o Options) ([]contender, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	ours := func(config string) []string { return []string{"-q", "-f", config, "serve"} }
	zot := func(config string) []string { return []string{"serve", config} }
	all := []contender{
		{name: floor, program: self, bare: true,
			args:   func(config string) []string { return []string{"bare", config} },
			config: bareConfig},
		{name: berth, program: o.Berth, durable: true, lists: true, args: ours, config: berthConfig},
		{name: before, program: o.Baseline, durable: true, lists: true, args: ours, config: berthConfig},
		{name: "registry", program: o.Registry, durable: true,
			args:   func(config string) []string { return []string{"serve", config} },
			config: registryConfig,
			// Else it tries to send a trace of every request to port 4318. That
			// it formats them all the same cannot be turned off.
			env: []string{"OTEL_TRACES_EXPORTER=none"}},
		{name: "zot commit", program: o.Zot, durable: true, lists: true, args: zot,
			config: func(dir, port string) string { return zotConfig(dir, port, true) }},
		{name: "zot", program: o.Zot, lists: true, args: zot,
			config: func(dir, port string) string { return zotConfig(dir, port, false) }},
	}
	var found []contender
	for _, c := range all {
		switch {
		case c.name == before:
			if o.Baseline == "" {
				continue
			}
		case o.Only != "" && !c.bare && !slices.Contains(strings.Split(o.Only, ","), c.name):
			continue
		}
		path, err := exec.LookPath(c.program)
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: left out: %v\n", c.name, err)
			continue
		}
		c.program = path
		found = append(found, c)
	}
	if len(found) == 1 {
		return nil, errors.New("no registry to measure")
	}
	return found, nil
}

func bareConfig(dir, port string) string {
	return fmt.Sprintf(`{"addr": "127.0.0.1:%s", "dir": %q}`, port, dir)
}

func berthConfig(dir, port string) string {
	return fmt.Sprintf(`deployment: local
type: distribution
endpoint: 127.0.0.1
port: %s
local: {data_dir: %s/data, config_path: %s/native.yml}
`, port, dir, dir)
}

// registryConfig is what its image comes with, at another log level.
func registryConfig(dir, port string) string {
	return fmt.Sprintf(`version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {cache: {blobdescriptor: inmemory}, filesystem: {rootdirectory: %s/data}}
http: {addr: 127.0.0.1:%s, headers: {X-Content-Type-Options: [nosniff]}}
`, dir, port)
}

func zotConfig(dir, port string, commit bool) string {
	return fmt.Sprintf(`{"distSpecVersion": "1.1.1", "log": {"level": "error"},
"http": {"address": "127.0.0.1", "port": %q},
"storage": {"rootDirectory": "%s/data", "commit": %t}}
`, port, dir, commit)
}
