// Package settings is what the built-in registry is told beyond distribution's
// own config format: the section "berth" of the same file. Package
// product/distribution writes it, and package embedded reads it.
package settings

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/goccy/go-yaml"
)

// Settings is the section "berth" of a native config. The real registry program
// ignores it.
type Settings struct {
	// Tokens is a file of static bearer tokens, one a line; "" for none. With it
	// nobody gets in without one of them, or without what the section auth of the
	// config asks for, where that is there too.
	Tokens string `yaml:"tokens,omitempty"`
	// TrustedProxies are the networks whose word counts of who their clients are and
	// what they asked for.
	TrustedProxies []netip.Prefix `yaml:"trusted_proxies,omitempty"`
	// State is a directory on this machine for what the registry remembers of its
	// own work, such as how far a scrub came.
	State string `yaml:"state"`
	GC    GC     `yaml:"gc"`
	Scrub Scrub  `yaml:"scrub"`
}

// GC says when garbage is collected and what counts as garbage.
type GC struct {
	Interval time.Duration `yaml:"interval"`           // between two runs; 0 for none by the clock
	Schedule string        `yaml:"schedule,omitempty"` // cron expression of five fields; "" for none
	// Delay protects what no manifest names yet: it stays until nothing was pushed
	// to its repository for this long.
	Delay    time.Duration `yaml:"delay"`
	Untagged bool          `yaml:"untagged"` // manifests that no tag, index or live subject leads to are garbage
}

// Scrub says when every blob is read and compared with its digest.
type Scrub struct {
	Interval time.Duration `yaml:"interval"` // between the ends of one run and the start of the next; 0 for never
	Rate     int64         `yaml:"rate"`     // bytes read per second at most; 0 for no limit
}

// Parse reads the section from a native config; a file without it gives the
// zero Settings.
func Parse(content []byte) (Settings, error) {
	var file struct {
		Berth Settings `yaml:"berth"`
	}
	if err := yaml.Unmarshal(content, &file); err != nil {
		return Settings{}, fmt.Errorf("section berth of the config: %w", err)
	}
	return file.Berth, nil
}
