package load

import (
	"fmt"

	"github.com/berth-oci/berth/kcl/eval"
	"github.com/berth-oci/berth/kcl/syntax"
)

// Origin tells where the value of one attribute came from.
type Origin struct {
	Path    string `json:"path"`
	Value   string `json:"value"`   // as KCL writes it
	Place   string `json:"place"`   // file:line:column
	Default bool   `json:"default"` // the schema gave it
}

// Origins returns the origin of every value that is no block, in order.
func (c *Config) Origins() []Origin {
	var list []Origin
	var walk func(path string, v eval.Value, at syntax.Range)
	walk = func(path string, v eval.Value, at syntax.Range) {
		switch v := v.(type) {
		case *eval.Instance:
			for _, e := range v.Attrs.Entries() {
				walk(join(path, e.Key), e.Value, e.Place)
			}
			return
		case *eval.Dict:
			for _, e := range v.Entries() {
				walk(join(path, e.Key), e.Value, e.Place)
			}
			if v.Len() > 0 {
				return
			}
		case *eval.List:
			for i, elem := range v.Elems {
				place := at
				if i < len(v.Places) {
					place = v.Places[i]
				}
				walk(fmt.Sprintf("%s[%d]", path, i), elem, place)
			}
			if len(v.Elems) > 0 {
				return
			}
		}
		if _, ok := eval.Plain(v); !ok {
			return
		}
		list = append(list, Origin{
			Path: path, Value: eval.KCL(v), Place: at.Span().Start.String(),
			Default: at.Source != nil && at.Source == c.schemaSource,
		})
	}
	walk("", c.value, c.value.Place)
	return list
}
