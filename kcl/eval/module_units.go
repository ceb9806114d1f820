package eval

// unitConstants are what each unit multiplies by, and the type of numbers with
// a unit.
func unitConstants() map[string]Value {
	m := make(map[string]Value, 2*len(units))
	m["NumberMultiplier"] = typeAlias{basicType("number_multiplier")}
	for name, factor := range units {
		if factor < 1 {
			m[name] = Float(factor)
		} else {
			m[name] = Int(factor)
		}
	}
	return m
}

// unitFunctions write a number in a unit, whole units only.
func unitFunctions() map[string]func(*call) Value {
	m := make(map[string]func(*call) Value, len(units))
	for name, factor := range units {
		if name == "k" { // a constant only
			continue
		}
		m["to_"+name] = func(c *call) Value {
			v := c.value(0, "num")
			if factor < 1 { // these convert their argument
				v = builtinFloat(&call{ev: c.ev, name: c.name, args: []Value{v}, at: c.at})
			}
			f, _ := number(v) // anything else counts as 0
			return String(Quantity{Number: int64(toInt(f / factor)), Suffix: name}.String())
		}
	}
	return m
}
