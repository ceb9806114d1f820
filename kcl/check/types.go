package check

import (
	"math"
	"strconv"
	"strings"

	"github.com/berth-oci/berth/kcl/program"
	"github.com/berth-oci/berth/kcl/syntax"
)

type kind uint8

const (
	kindAny kind = iota
	kindNone
	kindBool
	kindInt
	kindFloat
	kindStr
	kindBoolLit
	kindIntLit
	kindFloatLit
	kindStrLit
	kindMultiplier
	kindList
	kindDict
	kindUnion
	kindSchema
	kindFunc
	kindModule
)

// typ is what is known of a value. It is not changed once it is made, but for
// the caches. Simple types and those of schemas are the same pointers always.
type typ struct {
	kind     kind
	instance bool   // of a schema: an instance, not the schema itself
	text     string // of a str literal; of a multiplier with a known value, as in 1Ki
	bits     int64  // of a literal int or bool; of a float its bits

	key, elem *typ    // of a dict; a list has an elem only
	entries   *fields // of a dict: the entries that are known by name, or nil
	union     *union
	schema    *schema
	fn        *function
	module    *module

	wide *typ // cache of widen
}

// union holds the members of a union, which are no unions.
type union struct {
	types []*typ
	known map[lit]bool // cache of a long one: its literals
	rest  []*typ       // and what of it is more than a literal
}

// module is a package of the program or a system module; neither when it is
// not known.
type module struct {
	pkg    *program.Package
	system string
}

// lit identifies a literal type.
type lit struct {
	kind kind
	text string
	bits int64
}

func (t *typ) lit() lit { return lit{t.kind, t.text, t.bits} }

// field is an entry of a dict, or a binding in a scope.
type field struct {
	name string
	typ  *typ
	at   syntax.Range
}

// fields is a small map that keeps order.
type fields struct {
	list  []field
	index map[string]int // nil while the list is short
}

const shortList = 8

func (f *fields) get(name string) *field {
	if f == nil {
		return nil
	}
	if f.index != nil {
		if i, ok := f.index[name]; ok {
			return &f.list[i]
		}
		return nil
	}
	for i := range f.list {
		if f.list[i].name == name {
			return &f.list[i]
		}
	}
	return nil
}

// all returns the entries in order.
func (f *fields) all() []field {
	if f == nil {
		return nil
	}
	return f.list
}

func (f *fields) set(name string, t *typ, at syntax.Range) {
	if old := f.get(name); old != nil {
		old.typ, old.at = t, at
		return
	}
	f.list = append(f.list, field{name, t, at})
	switch {
	case f.index != nil:
		f.index[name] = len(f.list) - 1
	case len(f.list) > shortList:
		f.index = make(map[string]int, 2*shortList)
		for i := range f.list {
			f.index[f.list[i].name] = i
		}
	}
}

// function is the signature of a lambda, a builtin or a schema's arguments.
type function struct {
	params   []param
	result   *typ
	variadic bool
}

type param struct {
	name     string
	typ      *typ
	optional bool
	at       syntax.Range // of the declaration; zero for builtins
}

var (
	anyType        = &typ{kind: kindAny}
	noneType       = &typ{kind: kindNone}
	boolType       = &typ{kind: kindBool}
	intType        = &typ{kind: kindInt}
	floatType      = &typ{kind: kindFloat}
	strType        = &typ{kind: kindStr}
	multiplierType = &typ{kind: kindMultiplier}
	trueType       = &typ{kind: kindBoolLit, bits: 1}
	falseType      = &typ{kind: kindBoolLit}
)

func listOf(elem *typ) *typ      { return &typ{kind: kindList, elem: elem} }
func dictOf(key, elem *typ) *typ { return &typ{kind: kindDict, key: key, elem: elem} }
func funcOf(f *function) *typ    { return &typ{kind: kindFunc, fn: f} }

func (t *typ) isAny() bool   { return t.kind == kindAny }
func (t *typ) isInt() bool   { return t.kind == kindInt || t.kind == kindIntLit }
func (t *typ) isFloat() bool { return t.kind == kindFloat || t.kind == kindFloatLit }
func (t *typ) isStr() bool   { return t.kind == kindStr || t.kind == kindStrLit }
func (t *typ) isBool() bool  { return t.kind == kindBool || t.kind == kindBoolLit }

func (t *typ) isNumber() bool    { return t.isInt() || t.isFloat() }
func (t *typ) isPrimitive() bool { return t.isNumber() || t.isStr() || t.isBool() }
func (t *typ) isLiteral() bool   { return t.kind >= kindBoolLit && t.kind <= kindStrLit }
func (t *typ) isBasic() bool     { return t.kind >= kindBool && t.kind <= kindStr }
func (t *typ) isConfig() bool    { return t.kind == kindDict || t.kind == kindSchema }
func (t *typ) isIterable() bool  { return t.isStr() || t.isConfig() || t.kind == kindList }

// isKey reports whether a value can be the key of a dict.
func (t *typ) isKey() bool { return t.all((*typ).isStr) }

// all reports whether something holds of t, or of every member of a union.
func (t *typ) all(holds func(*typ) bool) bool {
	if t.kind != kindUnion {
		return holds(t)
	}
	for _, u := range t.union.types {
		if !holds(u) {
			return false
		}
	}
	return true
}

// keyType and valueType are those of the entries of a dict or an instance.
func (t *typ) keyType() *typ {
	if t.kind == kindDict {
		return t.key
	}
	return strType
}

func (t *typ) valueType() *typ {
	switch {
	case t.kind == kindDict:
		return t.elem
	case t.schema != nil && t.schema.index != nil:
		return t.schema.index.value
	}
	return anyType
}

// maxNames is how many members of a union are named in a message.
const maxNames = 12

// String returns the type as a declaration has it.
func (t *typ) String() string { return t.string(0) }

func (t *typ) string(depth int) string {
	if depth > shortList {
		return "…"
	}
	switch t.kind {
	case kindNone:
		return "None"
	case kindBool:
		return "bool"
	case kindInt:
		return "int"
	case kindFloat:
		return "float"
	case kindStr:
		return "str"
	case kindBoolLit, kindIntLit, kindFloatLit, kindStrLit:
		return t.literal()
	case kindMultiplier:
		if t.text != "" {
			return t.text
		}
		return "number_multiplier"
	case kindList:
		return "[" + t.elem.string(depth+1) + "]"
	case kindDict:
		return "{" + t.key.string(depth+1) + ":" + t.elem.string(depth+1) + "}"
	case kindUnion:
		names := make([]string, 0, maxNames)
		for i, u := range t.union.types {
			if i == maxNames {
				names = append(names, "…")
				break
			}
			names = append(names, u.string(depth+1))
		}
		return strings.Join(names, " | ")
	case kindSchema:
		return t.schema.name
	case kindFunc:
		return "function"
	case kindModule:
		return "module"
	}
	return "any"
}

func (t *typ) float() float64 { return math.Float64frombits(uint64(t.bits)) }

func (t *typ) literal() string {
	switch t.kind {
	case kindBoolLit:
		if t.bits != 0 {
			return "True"
		}
		return "False"
	case kindIntLit:
		return strconv.FormatInt(t.bits, 10)
	case kindFloatLit:
		s := strconv.FormatFloat(t.float(), 'g', -1, 64)
		if !strings.ContainsAny(s, ".en") {
			s += ".0"
		}
		return s
	}
	return strconv.Quote(t.text)
}

// maxQuoted is the longest string that a message repeats.
const maxQuoted = 40

// describe names a value of the type as the evaluator's messages do.
func describe(t *typ) string {
	switch t.kind {
	case kindStrLit:
		if len(t.text) <= maxQuoted && !strings.Contains(t.text, "\n") {
			return "str " + t.literal()
		}
		return "str"
	case kindBoolLit, kindIntLit, kindFloatLit:
		return widen(t).String() + " " + t.literal()
	case kindList:
		return "list"
	case kindDict:
		return "dict"
	case kindSchema:
		if !t.instance {
			return "the schema " + t.schema.name
		}
	case kindMultiplier:
		return "number_multiplier"
	case kindModule:
		return "a package"
	case kindUnion:
		return widen(t).String()
	}
	return t.String()
}
