package eval

import "github.com/berth-oci/berth/kcl/syntax"

// instances are the instances that a program has made so far, by schema, as
// SCHEMA.instances() gives them: those of a derived schema count for its
// parents too. Those that packages make themselves count only with full_pkg.
type instances struct {
	main map[*syntax.Source]bool // the files of the main package
	all  map[*Schema][]*Instance
}

func (i *instances) add(inst *Instance) {
	for s := inst.Schema; s != nil; s = s.base {
		i.all[s] = append(i.all[s], inst)
	}
}

// method returns SCHEMA.instances.
func (i *instances) method(s *Schema) *Builtin {
	return &Builtin{name: "instances", call: func(c *call) Value {
		full := c.arg(0, "full_pkg")
		list := listOf()
		for _, inst := range i.all[s] {
			if i.main[inst.Place.Source] || full != nil && truth(full) {
				list.Elems = append(list.Elems, inst)
			}
		}
		return c.newList(list.Elems)
	}}
}
