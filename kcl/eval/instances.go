package eval

// instances are the instances that a program has made so far, by schema, as
// SCHEMA.instances() gives them: those of a derived schema count for its
// parents too.
type instances map[*Schema][]Value

func (i instances) add(inst *Instance) {
	for s := inst.Schema; s != nil; s = s.base {
		i[s] = append(i[s], inst)
	}
}

// method returns SCHEMA.instances.
func (i instances) method(s *Schema) *Builtin {
	return &Builtin{name: "instances", call: func(*call) Value { return listOf(append([]Value(nil), i[s]...)...) }}
}
