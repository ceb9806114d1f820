package launch

import (
	"fmt"
	"strings"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/config/resolve"
)

// Level says who enforces a feature.
type Level string

// The levels.
const (
	Native      Level = "native"      // the registry itself, for every client
	Gate        Level = "gate"        // berth's HTTP layer in front of it, for every client
	Client      Level = "client"      // berth's own push and pull only
	Unsupported Level = "unsupported" // nobody
)

// Feature is something that a config can ask of a registry.
type Feature string

// The features.
const (
	PasswordAuth      Feature = "password-auth"
	TokenAuth         Feature = "token-auth"
	TLS               Feature = "tls"
	RollingTimeouts   Feature = "rolling-timeouts"
	TrustedProxies    Feature = "trusted-proxies"
	FilesystemStorage Feature = "filesystem-storage"
	S3Storage         Feature = "s3-storage"
	AzureStorage      Feature = "azure-storage"
	Dedupe            Feature = "dedupe"
	GarbageCollection Feature = "garbage-collection"
	Scrub             Feature = "scrub"
	Scanning          Feature = "vulnerability-scanning"
	Signing           Feature = "image-signing"
	Replication       Feature = "replication"
	Quota             Feature = "quota"
	Webhooks          Feature = "webhooks"
)

// Cap is how a product does a feature.
type Cap struct {
	Level  Level
	Always bool   // it cannot be switched off
	Note   string // how, or what to change when it is unsupported
}

// Capabilities is a product's table. A feature that is not in it is Unsupported.
type Capabilities map[Feature]Cap

// Level returns who enforces f.
func (c Capabilities) Level(f Feature) Level {
	if l := c[f].Level; l != "" {
		return l
	}
	return Unsupported
}

// Asked is a feature that a config wants.
type Asked struct {
	Feature Feature
	Path    string // of the attribute that asks
	Default bool   // on unless switched off, or a detail: lacking it stops nobody
	Off     bool   // the config asks to do without
}

// Given reports whether a config gives the attribute at a path itself, so that
// its value is not a default.
type Given func(path string) bool

// Asks lists what t wants of a registry on this machine, in the order of the
// schema.
func Asks(t *resolve.Target, given Given) (asked []Asked) {
	ask := func(on bool, f Feature, path string) {
		if on {
			asked = append(asked, Asked{Feature: f, Path: path})
		}
	}
	l := t.Local
	ask(l.TLSCert != "", TLS, "tls_enabled")
	ask(t.Auth.Required && (t.Auth.Password.IsSet() || l.Htpasswd != ""), PasswordAuth, "auth_required")
	ask(t.Auth.Required && t.Auth.Token.IsSet(), TokenAuth, "auth_token_path")
	ask(len(l.TrustedProxies) > 0, TrustedProxies, "local.http_config.trusted_proxies")
	ask(l.Backend == "filesystem", FilesystemStorage, "local.storage_config.backend")
	ask(l.Backend == "s3", S3Storage, "local.storage_config.backend")
	ask(l.Backend == "azure", AzureStorage, "local.storage_config.backend")
	if f := t.Spec.Features; f != nil {
		ask(f.VulnerabilityScanning, Scanning, "features.vulnerability_scanning")
		ask(f.ImageSigning, Signing, "features.image_signing")
		ask(f.ReplicationEnabled, Replication, "features.replication_enabled")
		ask(f.QuotaEnabled, Quota, "features.quota_enabled")
		ask(f.WebhookEnabled, Webhooks, "features.webhook_enabled")
	}
	byDefault := func(on bool, f Feature, path string) {
		if on {
			asked = append(asked, Asked{Feature: f, Path: path, Default: true})
		}
	}
	byDefault(l.ReadTimeout > 0 || l.WriteTimeout > 0, RollingTimeouts, "local.http_config.read_timeout")
	byDefault(l.Storage.Dedupe, Dedupe, "local.storage_config.dedupe_enabled")
	byDefault(l.GC.Interval > 0, GarbageCollection, "local.storage_config.gc_enabled")
	byDefault(l.GC.Interval > 0 && given("local.storage_config.gc_interval"), GarbageCollection, "local.storage_config.gc_interval")
	for _, path := range []string{"local.storage_config.gc_delay", "local.storage_config.gc_untagged"} {
		byDefault(given(path), GarbageCollection, path)
	}
	byDefault(l.GC.Schedule != "", GarbageCollection, "features.gc_schedule")
	byDefault(l.Scrub.Interval > 0, Scrub, "local.storage_config.scrub_interval")
	byDefault(l.Scrub.Interval > 0 && given("local.storage_config.scrub_rate"), Scrub, "local.storage_config.scrub_rate")
	if !l.Storage.Dedupe {
		asked = append(asked, Asked{Feature: Dedupe, Path: "local.storage_config.dedupe_enabled", Off: true})
	}
	return asked
}

// Check returns a positioned diag.Unsupported for each feature that t asks for
// and c does not have, apart from those that are on by default.
func (c Capabilities) Check(t *resolve.Target) (faults diag.List) {
	for _, a := range Asks(t, func(string) bool { return false }) {
		if !a.Default && !a.Off && c.Level(a.Feature) == Unsupported {
			faults = append(faults, t.Fault(diag.Unsupported, a.Path, "this registry has no %s", a.Feature).
				WithHint("%s", c.hint(a)))
		}
	}
	return faults
}

func (c Capabilities) hint(a Asked) string {
	if note := c[a.Feature].Note; note != "" {
		return note
	}
	return "take " + a.Path + " out of the config, or use a registry that has it"
}

// Notes says, a line for each feature, what t asks for without effect: what is
// on by default and c does not have, and what c cannot do without.
func (c Capabilities) Notes(t *resolve.Target, given Given) []string {
	return append(c.idle(Asks(t, given)), unused(t, given)...)
}

// unused says what t gives for something that another attribute switches off,
// whichever registry it is for.
func unused(t *resolve.Target, given Given) (lines []string) {
	l, f := t.Local, t.Spec.Features
	for _, u := range []struct {
		off       bool
		path, why string
	}{
		{!t.Auth.Required, "auth_token_path", "auth_required is not set, so that everyone may enter"},
		{!t.Auth.Required, "local.htpasswd_path", "auth_required is not set, so that everyone may enter"},
		{l.Backend != "filesystem", "local.storage_config.rootdirectory", "it is for the filesystem backend, and this is " + l.Backend},
		{l.Backend != "s3", "local.storage_config.s3", "backend is " + l.Backend},
		{l.Backend != "azure", "local.storage_config.azure", "backend is " + l.Backend},
		{l.GC.Interval == 0, "local.storage_config.gc_interval", "gc_enabled beside it is off"},
		{f != nil && !f.GCEnabled, "features.gc_schedule", "gc_enabled beside it is off"},
		{l.Scrub.Interval == 0, "local.storage_config.scrub_rate", "scrub_interval is 0"},
	} {
		if u.off && given(u.path) {
			lines = append(lines, fmt.Sprintf("%s has no effect: %s", u.path, u.why))
		}
	}
	return lines
}

// idle says, a line for each feature, what of asked stops nobody and has no
// effect.
func (c Capabilities) idle(asked []Asked) (lines []string) {
	paths := map[Feature][]string{}
	for _, a := range asked {
		if a.Default && c.Level(a.Feature) == Unsupported || a.Off && c[a.Feature].Always {
			paths[a.Feature] = append(paths[a.Feature], a.Path)
		}
	}
	for _, a := range asked {
		all := paths[a.Feature]
		if all == nil {
			continue // it has an effect, or was said
		}
		delete(paths, a.Feature)
		verb := "has"
		if len(all) > 1 {
			verb = "have"
		}
		lines = append(lines, fmt.Sprintf("%s %s no effect: %s", strings.Join(all, ", "), verb, c.hint(a)))
	}
	return lines
}
