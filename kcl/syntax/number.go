package syntax

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"
)

// unitSuffixes are what may follow an integer to multiply it. A lone i says
// nothing, but is allowed.
const unitSuffixes = " n u m k K M G T P Ki Mi Gi Ti Pi i "

// shape is how the text of a number is divided.
type shape struct {
	length int // of all
	digits int // of all but the suffix
	base   int
	float  bool
	empty  bool // no digit where there must be one
}

// shapeOf finds the number that text begins with.
func shapeOf(text string) shape {
	sh := shape{base: 10}
	at := func(i int) byte {
		if i < len(text) {
			return text[i]
		}
		return 0
	}
	i := 1
	eat := func(isDigit func(byte) bool) (some bool) {
		for ; i < len(text) && (text[i] == '_' || isDigit(text[i])); i++ {
			some = some || text[i] != '_'
		}
		return some
	}
	if text[0] == '0' {
		switch c := at(1); {
		case c == 'b' || c == 'o' || c == 'x':
			sh.base = map[byte]int{'b': 2, 'o': 8, 'x': 16}[c]
			i = 2
			if c == 'x' {
				sh.empty = !eat(isHexDigit)
			} else {
				sh.empty = !eat(isDigit)
			}
		case isDigit(c): // as in C, and the second digit is like the prefix
			sh.base = 8
			i = 2
			sh.empty = !eat(isDigit)
		case c == '_' || c == '.' || c == 'e' || c == 'E':
			eat(isDigit)
		default:
			return sh.withSuffix(text, i)
		}
	} else {
		eat(isDigit)
	}
	if sh.empty {
		return sh.withSuffix(text, i)
	}
	next, _ := utf8.DecodeRuneInString(text[min(i+1, len(text)):])
	// A dot belongs to the number unless a name follows, or another dot.
	fraction := at(i) == '.' && at(i+1) != '.' && (i+1 == len(text) || !isNameStart(next))
	if fraction {
		sh.float = true
		i++
		if !isDigit(at(i)) {
			return sh.withSuffix(text, i)
		}
		eat(isDigit)
	}
	if at(i) == 'e' || at(i) == 'E' {
		sh.float = true
		i++
		if at(i) == '+' || at(i) == '-' {
			i++
		}
		sh.empty = !eat(isDigit)
	}
	return sh.withSuffix(text, i)
}

// withSuffix completes a shape whose digits end at i.
func (sh shape) withSuffix(text string, i int) shape {
	sh.digits, sh.length = i, i
	if r, size := utf8.DecodeRuneInString(text[i:]); size > 0 && isNameStart(r) {
		for size > 0 && isNamePart(r) {
			sh.length += size
			r, size = utf8.DecodeRuneInString(text[sh.length:])
		}
	}
	return sh
}

func isHexDigit(c byte) bool { return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f' }

// fault says what is wrong with a number of this shape, and what to do.
func (sh shape) fault(text string) (message, hint string) {
	suffix := text[sh.digits:sh.length]
	switch {
	case sh.empty:
		return "it has no digits where a number needs them", ""
	case sh.float && sh.base != 10:
		return "only a decimal number can have a fraction or exponent", ""
	case sh.float && suffix != "":
		return "a number with a fraction or exponent has no unit", "write the number out"
	case suffix != "" && !strings.Contains(unitSuffixes, " "+suffix+" "):
		return suffix + " is no unit of a number", "the units are n, u, m, k, K, M, G, T, P, Ki, Mi, Gi, Ti and Pi"
	}
	return "", ""
}

// number converts a number token. One with a fault was reported by the scanner.
func (p *parser) number(t token) *Number {
	n := &Number{Range: p.at(t)}
	text := n.Text()
	sh := shapeOf(text)
	if fault, _ := sh.fault(text); fault != "" {
		return n
	}
	digits, suffix := text[:sh.digits], text[sh.digits:]
	if sh.float {
		f, err := strconv.ParseFloat(digits, 64)
		if err != nil && !errors.Is(err, strconv.ErrRange) || strings.Contains(digits, "_") {
			p.fail(n.Range, "", "%q is not a number", text)
		}
		n.IsFloat, n.Float = true, f
		return n
	}
	if suffix != "i" {
		n.Suffix = suffix
	}
	n.Int = p.integer(n.Range, digits)
	return n
}

// integer reads digits with their prefix. Like the runtime it keeps the sign
// bit of a number that needs all 64.
func (p *parser) integer(r Range, text string) int64 {
	if text == "0" {
		return 0
	}
	digits, base := text, 10
	if text[0] == '0' {
		digits = text[1:]
		if base = 8; text[1] == 'x' || text[1] == 'b' || text[1] == 'o' {
			base = map[byte]int{'x': 16, 'b': 2, 'o': 8}[text[1]]
			digits = text[2:]
		}
		digits = strings.TrimPrefix(digits, "_")
	}
	if digits == "" || strings.HasPrefix(digits, "_") || strings.HasSuffix(digits, "_") || strings.Contains(digits, "__") {
		p.fail(r, "", "%q is not a number", text)
	}
	digits = strings.ReplaceAll(digits, "_", "")
	v, err := strconv.ParseUint(digits, base, 64)
	switch {
	case err == nil:
	case errors.Is(err, strconv.ErrRange):
		p.fail(r, "", "%s does not fit into 64 bits", text)
	default:
		p.fail(r, "", "%q has a digit that base %d does not have", text, base)
	}
	return int64(v)
}
