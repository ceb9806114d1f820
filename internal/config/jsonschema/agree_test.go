package jsonschema_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	validator "github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/config/jsonschema"
	"github.com/berth-oci/berth/internal/config/load"
)

// seeds are valid configs that give every attribute between them.
var seeds = []string{
	`{"deployment": "local", "type": "distribution", "endpoint": "localhost", "port": 5000, "tls_enabled": true,
	  "tls_cert_path": "/c", "tls_key_path": "/k", "ca_cert_path": "/ca",
	  "local": {"data_dir": "/d", "config_path": "/c", "auto_start": true, "htpasswd_path": "/h", "binary_path": "/b", "log_file": "/l",
	    "http_config": {"listen_address": "::1", "listen_port": 6000, "read_timeout": 1, "write_timeout": 2, "idle_timeout": 3, "trusted_proxies": ["a", "b"]},
	    "storage_config": {"backend": "s3", "rootdirectory": "/r", "gc_enabled": false, "gc_interval": 5, "gc_delay": 0, "gc_untagged": false, "scrub_interval": 0, "scrub_rate": 9,
	      "dedupe_enabled": true,
	      "s3": {"bucket": "b", "region": "r", "endpoint": "e", "prefix": "p", "force_path_style": true, "secure": true, "verify_ssl": false, "credentials_path": "/x"},
	      "azure": {"account_name": "a", "container": "c", "endpoint": "e", "prefix": "p", "credentials_path": "/x"}}},
	  "push_policy": {"allow_overwrite": true, "require_signing": false, "auto_tag": false, "tag_format": "v", "compression_enabled": true, "compression_level": 9}}`,
	`{"deployment": "remote", "type": "zot", "endpoint": "zot.example.com", "auth_required": true, "username": "u", "password_path": "/p", "auth_token_path": "/t",
	  "remote": {"timeout": 5, "retries": 0, "retry_delay": 1, "retry_backoff": 1.5, "verify_ssl": true, "http_proxy": "http://p", "https_proxy": "http://p",
	    "no_proxy": ["a", "b"], "rate_limit": {"requests_per_second": 1, "burst": 2, "pull_limit": 3, "push_limit": 4}},
	  "zot_features": {"search_enabled": true, "metrics_enabled": false, "metrics_port": 9, "sync_enabled": true, "sync_registries": ["r"], "scrub_enabled": true, "scrub_interval": "1h"},
	  "namespaces": {"extensions": "ext", "kcl_packages": "kcl", "platform_images": "a/b", "test_images": "t", "custom": {"charts": "c/d", "x": "y"}}}`,
	`{"deployment": "remote", "type": "harbor", "endpoint": "h", "remote": {}, "tls_enabled": true,
	  "harbor_config": {"project": "p", "public_project": true, "content_trust": true, "auto_scan": true, "prevent_vulnerable": true, "severity_threshold": "low"},
	  "features": {"vulnerability_scanning": true, "scanner_type": "trivy", "image_signing": true, "signing_method": "cosign", "replication_enabled": true,
	    "replication_targets": [{"name": "n", "type": "harbor", "endpoint": "e", "credentials": "/c", "verify_ssl": true}],
	    "quota_enabled": true, "quota_config": {"storage_limit_gb": 5, "artifact_limit": 6, "namespace_quotas": {"n": {"storage_limit_gb": 1, "artifact_limit": 1}}},
	    "webhook_enabled": true, "webhook_endpoints": ["https://w"], "gc_enabled": true, "gc_schedule": "0 3 * * *"}}`,
	`{"deployment": "disabled", "type": "artifactory", "endpoint": "a", "pull_policy": {"policy": "never", "cache_ttl": 1, "verify_cached": true, "allow_insecure": true},
	  "artifactory_config": {"repository": "r", "package_type": "docker", "project_key": "k", "public_repository": true}}`,
	`{"deployment": "remote", "endpoint": "z", "remote": {}, "zot_features": {}}`,
}

// values are what attributes are set to: of every type, at and beyond the bounds
// that attributes may have.
var values = []any{
	nil, true, false, 0, 1, -1, 9, 10, 65535, 65536, 3600, json.Number("5.0"), json.Number("1.0"), 1.5, 0.5, -2.5, 1e30, "", "a", "ab", "Bad_Name", "a--b", "-a", "a/b", "a//b", "/abs", "~/home", "relative",
	"é", "local", "remote", "disabled", "zot", "harbor", "distribution", "artifactory", "s3", "azure", "filesystem", "trivy", "never", "high", "docker-hub",
	strings.Repeat("x", 200), []any{}, []any{"a"}, []any{nil}, []any{1}, []any{map[string]any{}}, map[string]any{}, map[string]any{"a": "b"},
	map[string]any{"a": "B!"}, map[string]any{"a": nil}, map[string]any{"a": 1}, map[string]any{"a": map[string]any{}},
}

// place is a value in a document.
type place struct {
	parent map[string]any
	list   []any
	key    string
	index  int
}

// places returns every place below v, in order.
func places(v any) []place {
	var all []place
	switch v := v.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			all = append(append(all, place{parent: v, key: key}), places(v[key])...)
		}
	case []any:
		for i, e := range v {
			all = append(append(all, place{list: v, index: i}), places(e)...)
		}
	}
	return all
}

// change breaks a document, or not, at one place.
func change(r *rand.Rand, doc map[string]any) {
	all := places(doc)
	if len(all) == 0 {
		doc["type"] = "zot"
		return
	}
	p := all[r.IntN(len(all))]
	v := values[r.IntN(len(values))]
	if p.parent == nil {
		p.list[p.index] = v
		return
	}
	switch r.IntN(8) {
	case 0, 1, 2:
		delete(p.parent, p.key)
	case 3:
		p.parent[p.key+"x"] = v
	default:
		p.parent[p.key] = v
	}
}

// corpus returns the seeds, each with every value at every place and without
// every attribute, and n documents with several random changes.
func corpus(t *testing.T, n int) []map[string]any {
	t.Helper()
	r := rand.New(rand.NewPCG(2020, 12))
	parse := func(text string) map[string]any {
		var doc map[string]any
		if err := json.Unmarshal([]byte(text), &doc); err != nil {
			t.Fatal(err)
		}
		return doc
	}
	var docs []map[string]any
	for _, seed := range seeds {
		docs = append(docs, parse(seed))
		for i := range places(parse(seed)) {
			removed := parse(seed)
			if p := places(removed)[i]; p.parent != nil {
				delete(p.parent, p.key)
				docs = append(docs, removed)
			}
			for range 8 {
				doc := parse(seed)
				if p := places(doc)[i]; p.parent != nil {
					p.parent[p.key] = values[r.IntN(len(values))]
				} else {
					p.list[p.index] = values[r.IntN(len(values))]
				}
				docs = append(docs, doc)
			}
		}
	}
	for i := range n {
		doc := parse(seeds[i%len(seeds)])
		for range 1 + r.IntN(3) {
			change(r, doc)
		}
		docs = append(docs, doc)
	}
	return docs
}

// TestAgreement compiles the JSON Schema and compares its verdicts with those of
// berth. It may accept what berth rejects only for a reason that it lists.
func TestAgreement(t *testing.T) {
	agree(t, "", 900)
}

// TestAgreementOfOwnSchema is the same for a schema that derives from berth's.
func TestAgreementOfOwnSchema(t *testing.T) {
	agree(t, "../../../examples/policy/acme.k:AcmeRegistry", 900)
}

func agree(t *testing.T, name string, n int) {
	t.Helper()
	compiled, s := compile(t, name)
	accepted, rejected, listed := 0, 0, 0
	for _, doc := range corpus(t, n) {
		text, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		_, faults := load.Text("c.json", "c.json", string(text), load.Options{Schema: name})
		v, err := validator.UnmarshalJSON(strings.NewReader(string(text)))
		if err != nil {
			t.Fatal(err)
		}
		err = compiled.Validate(v)
		switch {
		case err == nil && faults == nil:
			accepted++
		case err != nil && faults != nil:
			rejected++
		case err == nil && slices.ContainsFunc(diagnostics(faults), func(d *diag.Diagnostic) bool { return !inexpressible(d, s) }):
			t.Errorf("only berth rejects %s:\n%v", text, faults)
		case err == nil:
			listed++
		default:
			t.Errorf("only the JSON Schema rejects %s:\n%v", text, err)
		}
	}
	t.Logf("accepted %d, rejected %d, rejected for a reason that is listed %d", accepted, rejected, listed)
	if accepted < 20 || listed == 0 && name == "" || accepted+rejected+listed < 2000 {
		t.Errorf("the corpus tells little: %d accepted, %d rejected", accepted, rejected)
	}
}

func diagnostics(err error) []*diag.Diagnostic {
	var faults *diag.Faults
	if !errors.As(err, &faults) {
		return nil
	}
	return faults.List
}

// inexpressible reports whether a fault is one of those that the schema lists:
// a check, or 5.0 for an int.
func inexpressible(d *diag.Diagnostic, s *jsonschema.Schema) bool {
	if d.Code == diag.CheckFailed {
		return slices.Contains(s.Checks, d.Message)
	}
	_, number, found := strings.Cut(d.Message, "must be int, not float ")
	f, err := strconv.ParseFloat(number, 64)
	return d.Code == diag.WrongType && found && err == nil && f == math.Trunc(f)
}

func compile(t *testing.T, name string) (*validator.Schema, *jsonschema.Schema) {
	t.Helper()
	p, name, err := load.Schema(name, false)
	if err != nil {
		t.Fatal(err)
	}
	s, err := jsonschema.Generate(p, name)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := validator.UnmarshalJSON(strings.NewReader(string(s.Text)))
	if err != nil {
		t.Fatal(err)
	}
	c := validator.NewCompiler()
	c.DefaultDraft(validator.Draft2020)
	if err := c.AddResource("berth.json", doc); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile("berth.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, check := range s.Checks {
		if !strings.Contains(string(s.Text), fmt.Sprintf("%.20s", check)) {
			t.Errorf("the $comment does not mention %q", check)
		}
	}
	return compiled, s
}
