// Package zot describes the zot registry. It does not run it yet: it says what
// is missing and what can stand in.
package zot

import (
	"os/exec"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/config/resolve"
	"github.com/berth-oci/berth/internal/local/engine"
	"github.com/berth-oci/berth/internal/local/launch"
)

// Product returns zot.
func Product() launch.Product {
	return launch.Product{Name: "zot", Unit: unit, Differs: []string{
		"it keeps its files in another layout, so that neither sees what was pushed to the other",
		"it has none of zot_features: search, metrics and sync; it scrubs by local.storage_config.scrub_interval",
	}}
}

// unit fails with diag.ProgramMissing, or with diag.Unsupported when there is a
// zot to run.
func unit(t *resolve.Target) (engine.Unit, error) {
	name, path := "zot", "type"
	if t.Local.BinaryPath != "" {
		name, path = t.Local.BinaryPath, "local.binary_path"
	}
	if _, err := exec.LookPath(name); err != nil {
		return engine.Unit{}, t.Fault(diag.ProgramMissing, path, "zot is not installed: %w", err).
			WithHint("install zot (https://zotregistry.dev) and put it on PATH or set local.binary_path to it; "+
				"or let the built-in registry stand in with berth up --engine %s, which differs: %s; %s",
				launch.Embedded, Product().Differs[0], Product().Differs[1])
	}
	return engine.Unit{}, t.Fault(diag.Unsupported, "type", "this version of berth cannot drive zot").
		WithHint("run zot by itself, or let the built-in registry stand in with berth up --engine %s", launch.Embedded)
}
