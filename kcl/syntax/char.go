package syntax

import "unicode"

// Classes of ASCII characters, by what a token that begins with one is.
const (
	letter uint8 = iota + 1
	digit
	quote
	open
	closing
	operator
)

var class = [256]uint8{
	'"': quote, '\'': quote,
	'(': open, '[': open, '{': open, ')': closing, ']': closing, '}': closing,
	'+': operator, '-': operator, '*': operator, '/': operator, '%': operator, '&': operator, '|': operator, '^': operator,
	'~': operator, '<': operator, '>': operator, '=': operator, '.': operator, ',': operator, ':': operator, '?': operator, '@': operator,
	'0': digit, '1': digit, '2': digit, '3': digit, '4': digit, '5': digit, '6': digit, '7': digit, '8': digit, '9': digit,
	'a': letter, 'b': letter, 'c': letter, 'd': letter, 'e': letter, 'f': letter, 'g': letter, 'h': letter, 'i': letter,
	'j': letter, 'k': letter, 'l': letter, 'm': letter, 'n': letter, 'o': letter, 'p': letter, 'q': letter, 'r': letter,
	's': letter, 't': letter, 'u': letter, 'v': letter, 'w': letter, 'x': letter, 'y': letter, 'z': letter,
	'A': letter, 'B': letter, 'C': letter, 'D': letter, 'E': letter, 'F': letter, 'G': letter, 'H': letter, 'I': letter,
	'J': letter, 'K': letter, 'L': letter, 'M': letter, 'N': letter, 'O': letter, 'P': letter, 'Q': letter, 'R': letter,
	'S': letter, 'T': letter, 'U': letter, 'V': letter, 'W': letter, 'X': letter, 'Y': letter, 'Z': letter, '_': letter,
}

var brackets = [256]Kind{'(': LPAREN, ')': RPAREN, '[': LBRACK, ']': RBRACK, '{': LBRACE, '}': RBRACE}

var tripleQuotes = [256]string{'"': `"""`, '\'': `'''`}

// operatorOf returns the longest operator that text begins with, and its
// length. The text begins with an operator character.
func operatorOf(text string) (Kind, int) {
	var next, third byte
	if len(text) > 1 {
		next = text[1]
	}
	if len(text) > 2 {
		third = text[2]
	}
	// either picks between an operator and its form with a = behind it.
	either := func(plain, augmented Kind) (Kind, int) {
		if next == '=' {
			return augmented, 2
		}
		return plain, 1
	}
	// doubled does so for one that also exists twice over.
	doubled := func(plain, augmented, double, both Kind) (Kind, int) {
		switch {
		case next != text[0]:
			return either(plain, augmented)
		case third == '=':
			return both, 3
		}
		return double, 2
	}
	switch text[0] {
	case ',':
		return COMMA, 1
	case ':':
		return COLON, 1
	case '=':
		return either(ASSIGN, EQ)
	case '.':
		if next == '.' && third == '.' {
			return ELLIPSIS, 3
		}
		return DOT, 1
	case '?':
		return QUESTION, 1
	case '@':
		return AT, 1
	case '~':
		return NOT_BIT, 1
	case '+':
		return either(ADD, ADD_ASSIGN)
	case '-':
		return either(SUB, SUB_ASSIGN)
	case '%':
		return either(MOD, MOD_ASSIGN)
	case '&':
		return either(AND_BIT, AND_ASSIGN)
	case '|':
		return either(OR_BIT, OR_ASSIGN)
	case '^':
		return either(XOR_BIT, XOR_ASSIGN)
	case '*':
		return doubled(MUL, MUL_ASSIGN, POW, POW_ASSIGN)
	case '/':
		return doubled(DIV, DIV_ASSIGN, FLOORDIV, FLOORDIV_ASSIGN)
	case '<':
		return doubled(LT, LE, SHL, SHL_ASSIGN)
	default:
		return doubled(GT, GE, SHR, SHR_ASSIGN)
	}
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// isNameStart and isNamePart follow Unicode's XID_Start and XID_Continue.
func isNameStart(r rune) bool {
	return r == '_' || unicode.IsLetter(r) || unicode.In(r, unicode.Nl, unicode.Other_ID_Start)
}

func isNamePart(r rune) bool {
	return isNameStart(r) || unicode.In(r, unicode.Mn, unicode.Mc, unicode.Nd, unicode.Pc, unicode.Other_ID_Continue)
}

// isSpace reports whether r separates tokens and is nothing else. A no-break
// space is not among them.
func isSpace(r rune) bool {
	switch r {
	case '\v', '\f', '\r', '\u0085', '\u200e', '\u200f', '\u2028', '\u2029':
		return true
	}
	return false
}
