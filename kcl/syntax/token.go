package syntax

// Kind is the kind of a token, or an operator in the tree.
type Kind uint8

// Kinds of tokens. An operator's augmented form follows its own list so that
// the two can be told apart by range.
const (
	EOF Kind = iota
	INVALID
	IDENT
	NUMBER
	STRING

	LPAREN
	RPAREN
	LBRACK
	RBRACK
	LBRACE
	RBRACE
	COMMA
	COLON
	DOT
	QUESTION
	AT
	ARROW
	ELLIPSIS

	ADD
	SUB
	MUL
	DIV
	FLOORDIV
	MOD
	POW
	AND_BIT
	OR_BIT
	XOR_BIT
	NOT_BIT
	SHL
	SHR

	EQ
	NE
	LT
	LE
	GT
	GE

	ASSIGN
	ADD_ASSIGN
	SUB_ASSIGN
	MUL_ASSIGN
	DIV_ASSIGN
	FLOORDIV_ASSIGN
	MOD_ASSIGN
	POW_ASSIGN
	AND_ASSIGN
	OR_ASSIGN
	XOR_ASSIGN
	SHL_ASSIGN
	SHR_ASSIGN

	// Keywords.
	ALL
	AND
	ANY
	AS
	ASSERT
	CHECK
	ELIF
	ELSE
	FALSE
	FILTER
	FOR
	IF
	IMPORT
	IN
	IS
	LAMBDA
	MAP
	MIXIN
	NONE
	NOT
	OR
	PROTOCOL
	RULE
	SCHEMA
	TRUE
	TYPE
	UNDEFINED

	// Operators of two words, made by the parser.
	NOT_IN
	IS_NOT
)

var kindText = [...]string{
	EOF: "end of file", INVALID: "invalid character", IDENT: "name", NUMBER: "number", STRING: "string",
	LPAREN: "(", RPAREN: ")", LBRACK: "[", RBRACK: "]", LBRACE: "{", RBRACE: "}",
	COMMA: ",", COLON: ":", DOT: ".", QUESTION: "?", AT: "@", ARROW: "->", ELLIPSIS: "...",
	ADD: "+", SUB: "-", MUL: "*", DIV: "/", FLOORDIV: "//", MOD: "%", POW: "**",
	AND_BIT: "&", OR_BIT: "|", XOR_BIT: "^", NOT_BIT: "~", SHL: "<<", SHR: ">>",
	EQ: "==", NE: "!=", LT: "<", LE: "<=", GT: ">", GE: ">=",
	ASSIGN: "=", ADD_ASSIGN: "+=", SUB_ASSIGN: "-=", MUL_ASSIGN: "*=", DIV_ASSIGN: "/=", FLOORDIV_ASSIGN: "//=",
	MOD_ASSIGN: "%=", POW_ASSIGN: "**=", AND_ASSIGN: "&=", OR_ASSIGN: "|=", XOR_ASSIGN: "^=", SHL_ASSIGN: "<<=", SHR_ASSIGN: ">>=",
	ALL: "all", AND: "and", ANY: "any", AS: "as", ASSERT: "assert", CHECK: "check", ELIF: "elif", ELSE: "else",
	FALSE: "False", FILTER: "filter", FOR: "for", IF: "if", IMPORT: "import", IN: "in", IS: "is", LAMBDA: "lambda",
	MAP: "map", MIXIN: "mixin", NONE: "None", NOT: "not", OR: "or", PROTOCOL: "protocol", RULE: "rule",
	SCHEMA: "schema", TRUE: "True", TYPE: "type", UNDEFINED: "Undefined",
	NOT_IN: "not in", IS_NOT: "is not",
}

// String returns the token as it is written, or a word for its class.
func (k Kind) String() string { return kindText[k] }

var keywords = func() map[string]Kind {
	m := make(map[string]Kind)
	for k := ALL; k <= UNDEFINED; k++ {
		m[kindText[k]] = k
	}
	return m
}()

// isKeyword reports whether the token is a reserved word.
func (k Kind) isKeyword() bool { return k >= ALL && k <= UNDEFINED }

// beginsExpr reports whether a keyword can be the start of an expression.
func (k Kind) beginsExpr() bool {
	switch k {
	case IF, NOT, LAMBDA, ALL, ANY, MAP, FILTER, TRUE, FALSE, NONE, UNDEFINED:
		return true
	}
	return false
}

// operator returns the operator of an augmented assignment, and whether k is one.
func (k Kind) operator() (Kind, bool) {
	switch k {
	case ADD_ASSIGN:
		return ADD, true
	case SUB_ASSIGN:
		return SUB, true
	case MUL_ASSIGN:
		return MUL, true
	case DIV_ASSIGN:
		return DIV, true
	case FLOORDIV_ASSIGN:
		return FLOORDIV, true
	case MOD_ASSIGN:
		return MOD, true
	case POW_ASSIGN:
		return POW, true
	case AND_ASSIGN:
		return AND_BIT, true
	case OR_ASSIGN:
		return OR_BIT, true
	case XOR_ASSIGN:
		return XOR_BIT, true
	case SHL_ASSIGN:
		return SHL, true
	case SHR_ASSIGN:
		return SHR, true
	}
	return 0, false
}

// token is one token. Strings are decoded by the parser, from its range.
type token struct {
	kind       Kind
	start, end int
	first      bool // first of its line
	column     int  // of a first token: width of its indentation
}

// IsReserved reports whether a name must be written as $name where a name is
// declared or used as a key.
func IsReserved(name string) bool {
	k, ok := keywords[name]
	return ok && k != TYPE
}
