package eval

// ReplaceStrings returns a copy of v in which each string is what replace makes of
// it. name is the attribute or key that has it, or that has the list that it is
// in; "" for none. Places stay.
func ReplaceStrings(v Value, replace func(name, text string) string) Value {
	return replacement(replace).value("", v)
}

type replacement func(name, text string) string

func (r replacement) value(name string, v Value) Value {
	switch v := v.(type) {
	case String:
		return String(r(name, string(v)))
	case *List:
		list := &List{Places: v.Places, Elems: make([]Value, len(v.Elems))}
		for i, e := range v.Elems {
			list.Elems[i] = r.value(name, e)
		}
		return list
	case *Dict:
		return r.dict(v)
	case *Instance:
		copied := *v
		copied.Attrs, copied.args = r.dict(v.Attrs), r.arguments(v.args)
		return &copied
	}
	return v
}

func (r replacement) dict(d *Dict) *Dict {
	copied := d.clone()
	for i, e := range copied.entries {
		entry := *e
		entry.Value = r.value(e.Key, e.Value)
		copied.entries[i] = &entry
	}
	return copied
}

func (r replacement) arguments(a *args) *args {
	if a == nil {
		return nil
	}
	copied := &args{keywords: map[string]Value{}}
	for _, v := range a.positional {
		copied.positional = append(copied.positional, r.value("", v))
	}
	for name, v := range a.keywords {
		copied.keywords[name] = r.value(name, v)
	}
	return copied
}
