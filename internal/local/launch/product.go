// Package launch describes registries: what each can do, as data, and how each
// runs on this machine. The products themselves are packages below this one;
// the program lists them. This package starts nothing and writes nothing.
package launch

import (
	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/config/resolve"
	"github.com/berth-oci/berth/internal/local/engine"
)

// Product is one kind of registry.
type Product struct {
	Name string // a value of type in a config, or of --engine
	Caps Capabilities
	// Unit makes what the engine runs. It checks everything that can be checked
	// before a start, credentials included, and writes nothing; its error may be
	// a diag.List. It is nil for a product that is not a single process.
	Unit func(*resolve.Target) (engine.Unit, error)
	// Differs says what the built-in registry does not do like this one, for
	// those who let it stand in.
	Differs []string
}

// Embedded is the name of the built-in registry, which can stand in for every
// other one on this machine.
const Embedded = "embedded"

// Select returns the product among all that runs t on this machine: the one of
// its type, or the built-in one when engine is Embedded.
//
// Errors: diag.Unsupported for a target that does not run here, diag.Usage for
// an unknown engine.
func Select(all []Product, t *resolve.Target, engine string) (Product, error) {
	if engine != "" && engine != Embedded {
		return Product{}, diag.Errorf(diag.Usage, "unknown engine %q", engine).WithHint("--engine knows %s", Embedded)
	}
	if err := Local(t); err != nil {
		return Product{}, err
	}
	name := t.Type
	if engine != "" {
		name = engine
	}
	p := Find(all, name)
	if p.Unit == nil {
		return p, t.Fault(diag.Unsupported, "type", "%s is not a single process and cannot run here", name).
			WithHint("berth up --engine %s runs the built-in registry in its place, as a local twin", Embedded)
	}
	return p, nil
}

// Find returns the product of that name, or one that can do nothing.
func Find(all []Product, name string) Product {
	for _, p := range all {
		if p.Name == name {
			return p
		}
	}
	return Product{Name: name}
}

// Local fails with diag.Unsupported for a target that does not run on this
// machine.
func Local(t *resolve.Target) error {
	if t.Local != nil {
		return nil
	}
	return t.Fault(diag.Unsupported, "deployment", "the registry is %s: there is nothing to run here", t.Deployment).
		WithHint(`it is served at %s; set deployment to "local", with a local block, to run one on this machine`, t.Endpoint.URL())
}
