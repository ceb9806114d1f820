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

	// Layout: the end of a line, and where lines begin to be indented more or less.
	NEWLINE
	INDENT
	DEDENT
	COMMENT // only inside an interpolation, where it is the format

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
	NEWLINE: "end of line", INDENT: "indentation", DEDENT: "end of the indentation", COMMENT: "comment",
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

// isName reports whether the token is an identifier or a keyword: keywords are
// names wherever no construct begins with them.
func (k Kind) isName() bool { return k == IDENT || k >= ALL && k <= UNDEFINED }

// isLayout reports whether the token stands for no text of its own.
func (k Kind) isLayout() bool { return k == EOF || k >= NEWLINE && k <= DEDENT }

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

// token is one token. Strings and numbers are decoded by the parser, from
// their range.
type token struct {
	kind       Kind
	start, end int32
	n          int32 // see below
}

// What n of a token is:
//   - of an opening bracket, the index of its closing one, 0 when it has none;
//   - of a STRING, the length of its quote, 0 when it is not terminated;
//   - of a DEDENT, by how much the line is indented more than the block that it
//     is to belong to: 0 where the lines are aligned.

// IsReserved reports whether a name must be written as $name where a name is
// declared or used as a key.
func IsReserved(name string) bool {
	k, ok := keywords[name]
	return ok && k != TYPE
}
