package eval

import "fmt"

// templateHelpers are the helpers with the number of values that they need.
var templateHelpers = map[string]int{
	"if": 1, "unless": 1, "each": 1, "with": 1, "raw": 1, "lookup": 2, "log": 0, "len": 1, "not": 1,
	"eq": 2, "ne": 2, "gt": 2, "gte": 2, "lt": 2, "lte": 2, "and": 2, "or": 2,
}

func (c *templateCall) isHelper() bool {
	_, ok := templateHelpers[c.path]
	return ok && !c.isLiteral
}

func (r *renderer) helper(c *templateCall, s *templateScope) (any, error) {
	if len(c.params) < templateHelpers[c.path] {
		return nil, fmt.Errorf("%s needs %d values", c.path, templateHelpers[c.path])
	}
	args := make([]any, len(c.params))
	for i, p := range c.params {
		var err error
		if args[i], err = r.eval(p, s); err != nil {
			return nil, err
		}
	}
	switch c.path {
	case "raw":
		return args[0], nil
	case "lookup":
		return templateLookup(args[0], args[1])
	case "len":
		switch v := args[0].(type) {
		case string:
			return int64(len(v)), nil
		case []any:
			return int64(len(v)), nil
		case *Object:
			return int64(len(v.Keys)), nil
		}
		return int64(0), nil
	case "not":
		return !templateTruth(args[0], false), nil
	case "and":
		return templateTruth(args[0], false) && templateTruth(args[1], false), nil
	case "or":
		return templateTruth(args[0], false) || templateTruth(args[1], false), nil
	case "eq":
		return plainEqual(args[0], args[1]), nil
	case "ne":
		return !plainEqual(args[0], args[1]), nil
	case "gt", "gte", "lt", "lte":
		a, ok1 := args[0].(int64)
		b, ok2 := args[1].(int64)
		if !ok1 || !ok2 {
			return nil, fmt.Errorf("%s compares ints", c.path)
		}
		return map[string]bool{"gt": a > b, "gte": a >= b, "lt": a < b, "lte": a <= b}[c.path], nil
	}
	return nil, nil // log, and if and the like without a block, write nothing
}

func templateLookup(v, key any) (any, error) {
	switch v := v.(type) {
	case []any:
		if i, ok := key.(int64); ok && i >= 0 && i < int64(len(v)) {
			return v[i], nil
		}
	case *Object:
		if k, ok := key.(string); ok {
			if m, ok := v.Values[k]; ok {
				return m, nil
			}
		}
	}
	return nil, nil
}

// plainEqual compares plain values; an int and a float are never equal.
func plainEqual(a, b any) bool {
	if (a == nil || a == missing{}) && (b == nil || b == missing{}) {
		return true
	}
	switch a.(type) {
	case []any, *Object:
		return compactJSON(a) == compactJSON(b)
	}
	switch b.(type) {
	case []any, *Object:
		return false
	}
	return a == b
}
