package load

import (
	"fmt"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/kcl/eval"
	"github.com/berth-oci/berth/kcl/syntax"
)

// places holds where each attribute was written, by its path.
type places map[string]place

type place struct {
	key, value syntax.Range
	given      bool
}

// placesOf walks an instance and the configs it was made of.
func placesOf(inst *eval.Instance) places {
	p := places{"": {key: inst.Place, value: inst.Place, given: true}}
	p.dict("", inst.Config, true)
	p.value("", inst)
	return p
}

func (p places) value(path string, v eval.Value) {
	switch v := v.(type) {
	case *eval.Instance:
		p.dict(path, v.Config, true)
		for _, e := range v.Attrs.Entries() {
			at := join(path, e.Key)
			if _, ok := p[at]; !ok {
				p[at] = place{key: e.KeyPlace, value: e.Place, given: e.Given}
			}
			p.value(at, e.Value)
		}
	case *eval.Dict:
		p.dict(path, v, true)
		for _, e := range v.Entries() {
			p.value(join(path, e.Key), e.Value)
		}
	case *eval.List:
		for i, elem := range v.Elems {
			at := fmt.Sprintf("%s[%d]", path, i)
			if i < len(v.Places) {
				p[at] = place{key: v.Places[i], value: v.Places[i], given: true}
			}
			p.value(at, elem)
		}
	}
}

func (p places) dict(path string, d *eval.Dict, given bool) {
	for _, e := range d.Entries() {
		at := join(path, e.Key)
		if _, ok := p[at]; !ok {
			p[at] = place{key: e.KeyPlace, value: e.Place, given: given}
		}
		if inner, ok := e.Value.(*eval.Dict); ok {
			p.dict(at, inner, given)
		}
	}
}

// fill gives each fault the path of the attribute that it points at.
func (p places) fill(faults diag.List) {
	if len(faults) == 0 {
		return
	}
	type start struct {
		file string
		line int
		col  int
	}
	keys, values := map[start]string{}, map[start]string{}
	note := func(paths map[start]string, r syntax.Range, path string) {
		s := r.Span().Start
		at := start{s.File, s.Line, s.Column}
		if old, ok := paths[at]; !ok || len(path) > len(old) {
			paths[at] = path
		}
	}
	for path, pl := range p {
		if pl.given {
			note(keys, pl.key, path)
			note(values, pl.value, path)
		}
	}
	for _, d := range faults {
		at := start{d.Span.Start.File, d.Span.Start.Line, d.Span.Start.Column}
		path, ok := values[at]
		// A block of YAML begins where its first key does; what fails a check
		// there is the block.
		if key, isKey := keys[at]; isKey && (!ok || d.Code != diag.CheckFailed && len(key) > len(path)) {
			path = key
		}
		d.Path = path
	}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
