package eval

import (
	"github.com/berth-oci/berth/diag"
)

// moduleState is what the system modules keep during one run.
type moduleState struct {
	patterns map[string]*pattern // compiled, by their text
}

// newModules returns the modules that come with the language.
func newModules() map[string]map[string]Value {
	modules := map[string]map[string]Value{"units": unitConstants()}
	for module, members := range map[string]map[string]func(*call) Value{
		"base32":     base32Module(),
		"base64":     base64Module(),
		"collection": {"union_all": collectionUnionAll},
		"crypto":     cryptoModule(),
		"datetime":   datetimeModule(),
		"duration":   durationModule(),
		"file":       fileModule(),
		"json":       jsonModule(),
		"manifests":  {"yaml_stream": manifestsYAMLStream},
		"math":       mathModule(),
		"net":        netModule(),
		"regex":      regexModule(),
		"runtime":    {"catch": runtimeCatch},
		"template":   {"execute": templateExecute, "html_escape": templateEscape},
		"units":      unitFunctions(),
		"yaml":       yamlModule(),
	} {
		if modules[module] == nil {
			modules[module] = make(map[string]Value, len(members))
		}
		for name, f := range members {
			modules[module][name] = function(module+"."+name, f)
		}
	}
	return modules
}

// collectionUnionAll fails, as it does in every released runtime.
func collectionUnionAll(c *call) Value {
	c.ev.report(&diag.Diagnostic{
		Code: diag.Unsupported, Message: "collection.union_all is declared by the language and works in no runtime",
		Span: c.at.Span(), Hint: "join the values with |",
	})
	return bad{}
}

// runtimeCatch calls a function and returns the message of its first fault,
// Undefined where there is none. The faults are dropped.
func runtimeCatch(c *call) Value {
	before := len(c.ev.faults)
	c.ev.invoke(c.value(0, "func"), &args{}, c.at)
	if len(c.ev.faults) == before || c.ev.stopped {
		return Undefined{}
	}
	message := c.ev.faults[before].Message
	c.ev.faults = c.ev.faults[:before]
	return c.newStr(message)
}
