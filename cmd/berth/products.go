package main

import (
	"errors"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/config/load"
	"github.com/berth-oci/berth/internal/config/resolve"
	"github.com/berth-oci/berth/internal/local/engine"
	"github.com/berth-oci/berth/internal/local/launch"
	"github.com/berth-oci/berth/internal/local/launch/distribution"
	"github.com/berth-oci/berth/internal/local/launch/zot"
)

// products lists every registry that berth knows.
func products() []launch.Product {
	return []launch.Product{
		distribution.Product(),
		zot.Product(),
		{Name: "harbor"},
		{Name: "artifactory"},
		distribution.Embedded(),
	}
}

// placed gives an error that names an attribute of the config, and was found
// where there is none, the place of that attribute.
func placed(t *resolve.Target, err error) error {
	var d *diag.Diagnostic
	if errors.As(err, &d) && d.Path != "" && !d.Span.Start.IsValid() {
		d.Span = t.At(d.Path)
	}
	return err
}

// unit makes what the engine runs for a target; engineName is the value of
// --engine.
func unit(t *resolve.Target, config *load.Config, engineName string) (engine.Unit, error) {
	p, err := launch.Select(products(), t, engineName)
	if err != nil {
		return engine.Unit{}, err
	}
	u, err := p.Unit(t)
	u.Source, u.Version = config.File, version()
	return u, err
}
