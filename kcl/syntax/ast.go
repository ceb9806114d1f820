// Package syntax reads KCL source: it scans and parses text into a tree whose
// every node knows its place. It reports all syntax errors of a file at once
// and always returns a tree. It knows nothing of values: see package eval.
//
// It follows the KCL language specification as the 0.13 runtime implements it.
package syntax

// Node is a part of the tree.
type Node interface {
	At() Range
}

// Expr is an expression.
type Expr interface {
	Node
	expr()
}

// Stmt is a statement.
type Stmt interface {
	Node
	stmt()
}

// Type is a type expression.
type Type interface {
	Node
	typ()
}

// File is one parsed file.
type File struct {
	Source *Source
	Doc    string
	Body   []Stmt
}

// At returns the range of the whole text.
func (f *File) At() Range { return Range{f.Source, 0, len(f.Source.Text)} }

// Name is an identifier where it is declared or used as a key.
type Name struct {
	Range
	Text string // without the $ that escapes a keyword
}

// Statements.
type (
	// Import is `import a.b as c`.
	Import struct {
		Range
		Path string // dotted, with leading dots for a relative one
		As   *Name  // nil without an alias
	}

	// Assign is `a = b.c = value`, or `a: T = value` with one target.
	Assign struct {
		Range
		Targets []*Target
		Type    Type // nil when not declared
		Value   Expr
	}

	// AugAssign is `a += value` and its kin.
	AugAssign struct {
		Range
		Target *Target
		Op     Kind // the operator without its =
		Value  Expr
	}

	// Unify is `a: Schema {...}`.
	Unify struct {
		Range
		Target *Name
		Value  *SchemaExpr
	}

	// TypeAlias is `type A = T`.
	TypeAlias struct {
		Range
		Name *Name
		Type Type
	}

	// Assert is `assert cond if guard, message`.
	Assert struct {
		Range
		Cond    Expr
		Guard   Expr // may be nil
		Message Expr // may be nil
	}

	// If is a statement with one block; elif is an If as the only statement of Else.
	If struct {
		Range
		Cond Expr
		Then []Stmt
		Else []Stmt
	}

	// ExprStmt is an expression on its own.
	ExprStmt struct {
		Range
		X Expr
	}

	// Schema is a schema, mixin, protocol or rule definition.
	Schema struct {
		Range
		Kind       Kind // SCHEMA, MIXIN, PROTOCOL or RULE
		Name       *Name
		Doc        string
		Params     []*Param
		Base       Expr   // parent schema, may be nil
		For        Expr   // protocol host, may be nil
		Mixins     []Expr // also the parents of a rule
		Decorators []*Call
		Body       []Stmt
		Index      *IndexSignature // may be nil
		Checks     []*Check
	}

	// Attr is an attribute of a schema: `name?: T = value`.
	Attr struct {
		Range
		Name       *Name
		Optional   bool
		Type       Type
		Op         Kind // ASSIGN, or the operator of an augmented default; 0 without value
		Value      Expr // nil without a default
		Decorators []*Call
	}
)

// Target is what an assignment assigns to: a name and the path into its value.
type Target struct {
	Range
	Name *Name
	Path []TargetStep
}

// TargetStep is `.Name` or `[Index]`.
type TargetStep struct {
	Name  *Name
	Index Expr
}

// IndexSignature is `[name: K]: V = default`.
type IndexSignature struct {
	Range
	Name  *Name // may be nil
	Open  bool  // [...K]: K for the declared attributes too
	Key   Type
	Value Type
	Init  Expr // may be nil
}

// Check is one line of a check block: `cond if guard, message`.
type Check struct {
	Range
	Cond    Expr
	Guard   Expr // may be nil
	Message Expr // may be nil
}

// Param is a parameter of a lambda or schema.
type Param struct {
	Range
	Name    *Name
	Type    Type // may be nil
	Default Expr // may be nil
}

// Expressions.
type (
	// Ident is a name.
	Ident struct {
		Range
		Name string
	}

	// Selector is `X.Name` or `X?.Name`.
	Selector struct {
		Range
		X        Expr
		Name     *Name
		Optional bool
	}

	// Index is `X[I]` or `X?[I]`.
	Index struct {
		Range
		X, I     Expr
		Optional bool
	}

	// Slice is `X[Lo:Hi:Step]`; the three may be nil.
	Slice struct {
		Range
		X            Expr
		Lo, Hi, Step Expr
		Optional     bool
	}

	// Call is `Fun(Args..., Name=Value...)`.
	Call struct {
		Range
		Fun      Expr
		Args     []Expr
		Keywords []Keyword
	}

	// Unary is `-X`, `+X`, `~X` or `not X`.
	Unary struct {
		Range
		Op Kind
		X  Expr
	}

	// Binary is an arithmetic or logical operation.
	Binary struct {
		Range
		Op   Kind
		X, Y Expr
	}

	// Compare is a chain `A < B <= C`; it has one operator less than operands.
	Compare struct {
		Range
		Ops      []Kind
		Operands []Expr
	}

	// Cast is `X as T`.
	Cast struct {
		Range
		X    Expr
		Type Type
	}

	// Cond is `Then if If else Else`.
	Cond struct {
		Range
		If, Then, Else Expr
	}

	// List is `[...]`. Elements may be *Star and *IfElem.
	List struct {
		Range
		Elems []Expr
	}

	// Star is `*X` in a list or `**X` in a config.
	Star struct {
		Range
		X Expr
	}

	// IfElem is an if-entry of a list.
	IfElem struct {
		Range
		Cond Expr
		Then []Expr
		Else []Expr
	}

	// ListComp is `[Elem for ...]`.
	ListComp struct {
		Range
		Elem Expr
		Fors []*For
	}

	// DictComp is `{Key: Value for ...}`.
	DictComp struct {
		Range
		Entry *Entry
		Fors  []*For
	}

	// Config is `{...}`: a dict, or the config of a schema.
	Config struct {
		Range
		Entries []*Entry
	}

	// SchemaExpr is `Schema(args) {...}`.
	SchemaExpr struct {
		Range
		Schema   Expr
		Args     []Expr
		Keywords []Keyword
		Config   *Config
	}

	// Lambda is `lambda a, b = 1 -> T {...}`.
	Lambda struct {
		Range
		Params []*Param
		Result Type // may be nil
		Body   []Stmt
	}

	// Quantifier is `all x in xs {...}`; its Op is ALL, ANY, MAP or FILTER.
	Quantifier struct {
		Range
		Op   Kind
		Vars []*Name
		Over Expr
		Body Expr
		If   Expr // may be nil
	}

	// Number is a literal. Suffix is its unit multiplier, if any.
	Number struct {
		Range
		Int     int64
		Float   float64
		IsFloat bool
		Suffix  string
	}

	// String is a literal without interpolation.
	String struct {
		Range
		Value string
	}

	// Interpolation is a string with ${...} parts.
	Interpolation struct {
		Range
		Parts []Part
	}

	// Constant is True, False, None or Undefined, by its Kind.
	Constant struct {
		Range
		Kind Kind
	}

	// Paren is `(X)`.
	Paren struct {
		Range
		X Expr
	}

	// Bad stands where an expression could not be read.
	Bad struct {
		Range
	}
)

// Keyword is `Name=Value` in a call.
type Keyword struct {
	Name  *Name
	Value Expr
}

// For is one `for a, b in X if Cond` clause of a comprehension.
type For struct {
	Range
	Vars []*Name
	Over Expr
	Ifs  []Expr
}

// Part is a piece of an Interpolation: text, or an expression with a format.
type Part struct {
	Text   string
	X      Expr   // nil for text
	Format string // as in ${x: #json}, without the colon
}

// Entry is one entry of a Config.
type Entry struct {
	Range
	Key   Expr    // *Ident for a name, else an expression; nil when Path, Spread or If is set
	Path  []Expr  // a.b.c, a["b"].c or a[0] as *Ident and *String or *Number steps; nil for a plain Key
	Op    Kind    // COLON (unify), ASSIGN (override) or ADD_ASSIGN (insert)
	Value Expr    // nil for Spread and If
	Star  Expr    // **X
	If    *IfConf // an if-entry
}

// IfConf is an if-entry of a config; elif is an entry with If in Else.
type IfConf struct {
	Cond Expr
	Then []*Entry
	Else []*Entry
}

// Types.
type (
	// NamedType is a schema or alias, possibly of a package, or a basic type:
	// any, bool, int, float or str.
	NamedType struct {
		Range
		Path []*Name
	}

	// LiteralType is one value: a string, number or bool.
	LiteralType struct {
		Range
		Value Expr // *String, *Number or *Constant
	}

	// ListType is `[T]`; Elem is nil for `[]`.
	ListType struct {
		Range
		Elem Type
	}

	// DictType is `{K:V}`; either may be nil.
	DictType struct {
		Range
		Key, Value Type
	}

	// UnionType is `A | B`.
	UnionType struct {
		Range
		Types []Type
	}

	// FuncType is `(A, B) -> R`.
	FuncType struct {
		Range
		Params []Type
		Result Type // may be nil
	}
)

func (*Import) stmt()    {}
func (*Assign) stmt()    {}
func (*AugAssign) stmt() {}
func (*Unify) stmt()     {}
func (*TypeAlias) stmt() {}
func (*Assert) stmt()    {}
func (*If) stmt()        {}
func (*ExprStmt) stmt()  {}
func (*Schema) stmt()    {}
func (*Attr) stmt()      {}

func (*Ident) expr()         {}
func (*Selector) expr()      {}
func (*Index) expr()         {}
func (*Slice) expr()         {}
func (*Call) expr()          {}
func (*Unary) expr()         {}
func (*Binary) expr()        {}
func (*Compare) expr()       {}
func (*Cast) expr()          {}
func (*Cond) expr()          {}
func (*List) expr()          {}
func (*Star) expr()          {}
func (*IfElem) expr()        {}
func (*ListComp) expr()      {}
func (*DictComp) expr()      {}
func (*Config) expr()        {}
func (*SchemaExpr) expr()    {}
func (*Lambda) expr()        {}
func (*Quantifier) expr()    {}
func (*Number) expr()        {}
func (*String) expr()        {}
func (*Interpolation) expr() {}
func (*Constant) expr()      {}
func (*Paren) expr()         {}
func (*Bad) expr()           {}

func (*NamedType) typ()   {}
func (*LiteralType) typ() {}
func (*ListType) typ()    {}
func (*DictType) typ()    {}
func (*UnionType) typ()   {}
func (*FuncType) typ()    {}
