package eval

import (
	"errors"
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode/utf8"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/lazyregexp"
)

func regexModule() map[string]func(*call) Value {
	return map[string]func(*call) Value{
		"match":   regexMatch,
		"search":  regexMatch,
		"compile": regexCompile,
		"findall": regexFindAll,
		"replace": regexReplace,
		"split":   regexSplit,
	}
}

const (
	maxPattern  = 10_000 // bytes of a pattern
	maxPatterns = 1000   // that a program may use
)

// unsupported is the error of a pattern that needs what no engine has that
// runs in linear time.
type unsupported struct{ construct, instead string }

func (u unsupported) Error() string { return u.construct + " is not supported" }

// pattern is a compiled pattern and how long it takes to match it: the number
// of its instructions, to which counted repetitions add many.
type pattern struct {
	*regexp.Regexp
	cost int
}

// pattern compiles a pattern, once for each run. Patterns run in linear time:
// what the engine lacks for that reason is named in the error.
func (c *call) pattern(expr string) (*pattern, error) {
	known := &c.ev.modules.patterns
	if re, ok := (*known)[expr]; ok {
		return re, nil
	}
	if len(expr) > maxPattern || len(*known) >= maxPatterns {
		return nil, errors.New("the pattern is too long, or one of too many")
	}
	translated, err := translatePattern(expr)
	if err != nil {
		return nil, err
	}
	re, err := regexp.Compile(translated)
	if err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	p := &pattern{Regexp: re}
	if tree, err := syntax.Parse(translated, syntax.Perl); err == nil {
		if code, err := syntax.Compile(tree.Simplify()); err == nil {
			p.cost = len(code.Inst)
		}
	}
	if *known == nil {
		*known = map[string]*pattern{}
	}
	(*known)[expr] = p
	return p, nil
}

// compiled returns the pattern of a call, which is its second argument, nil
// where it has none.
func (c *call) compiled(subject string) *pattern {
	expr := c.text(1, "pattern")
	if c.failed {
		return nil
	}
	re, err := c.pattern(expr)
	if err == nil && wordBoundary().MatchString(expr) && !isASCII(subject) {
		err = unsupported{`the word boundary \b in text that is not ASCII`, `spell out what may stand before and behind, as in (^|\W)`}
	}
	if err == nil {
		if c.read(subject, 1+re.cost); c.failed {
			return nil
		}
		return re
	}
	d := diag.Errorf(diag.EvalFailed, "%s: pattern %s: %v", c.name, quote(expr, '"'), err).At(c.at.Span())
	var u unsupported
	if errors.As(err, &u) {
		d.Message += ", because patterns run in linear time"
		d.Hint = u.instead
	}
	c.ev.report(d)
	return nil
}

var wordBoundary = lazyregexp.New(`(?:^|[^\\])(?:\\\\)*\\[bB]`)

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
}

// regexMatch searches; despite its name it is not anchored.
func regexMatch(c *call) Value {
	s := c.text(0, "string")
	re := c.compiled(s)
	if re == nil {
		return bad{}
	}
	return Bool(re.MatchString(s))
}

// regexCompile reports whether a pattern is right, even if it uses what is not
// supported.
func regexCompile(c *call) Value {
	_, err := c.pattern(c.text(0, "pattern"))
	return Bool(err == nil || errors.As(err, new(unsupported)))
}

// regexFindAll returns the matches, or where the pattern has two groups or
// more, the lists of what they matched.
func regexFindAll(c *call) Value {
	s := c.text(0, "string")
	re := c.compiled(s)
	if re == nil {
		return bad{}
	}
	if re.NumSubexp() < 2 {
		return c.newStrings(re.FindAllString(s, maxSize+1))
	}
	l := listOf()
	for _, m := range re.FindAllStringSubmatchIndex(s, maxSize+1) {
		groups := listOf()
		for i := 2; i < len(m); i += 2 {
			if m[i] < 0 {
				return c.errorf("group %d is in no match at %q; every group must take part", i/2, s[m[0]:m[1]])
			}
			groups.Elems = append(groups.Elems, String(s[m[i]:m[i+1]]))
		}
		l.Elems = append(l.Elems, groups)
		if !c.ev.grow(len(groups.Elems)+1, c.at) {
			return bad{}
		}
	}
	return l
}

// regexReplace replaces the first count matches, all where it is not positive.
// $1 and ${name} stand for groups.
func regexReplace(c *call) Value {
	s := c.text(0, "string")
	re := c.compiled(s)
	with, count := c.text(2, "replace"), Int(0)
	if v := c.arg(3, "count"); v != nil {
		count = c.int(3, "count")
	}
	if re == nil {
		return bad{}
	}
	n := -1
	if count > 0 {
		n = int(min(count, maxSize))
	}
	refs := strings.Count(with, "$") // to groups, which are no longer than their match
	var out []byte
	end := 0
	for _, m := range re.FindAllStringSubmatchIndex(s, n) {
		out = append(out, s[end:m[0]]...)
		if refs*(m[1]-m[0])/16 > maxSize {
			c.ev.grow(maxSize+1, c.at)
			return bad{}
		}
		out = re.ExpandString(out, with, s, m)
		end = m[1]
		if len(out)/16 > maxSize {
			break
		}
	}
	return c.newStr(string(append(out, s[end:]...)))
}

// regexSplit returns what is between the matches. With a positive maxsplit it
// stops after that many parts and drops the rest, as the reference runtime does.
func regexSplit(c *call) Value {
	s := c.text(0, "string")
	re := c.compiled(s)
	limit := Int(0)
	if v := c.arg(2, "maxsplit"); v != nil {
		limit = c.int(2, "maxsplit")
	}
	if re == nil {
		return bad{}
	}
	var parts []string
	end := 0
	for _, m := range re.FindAllStringIndex(s, -1) {
		if m[0] == m[1] {
			return c.errorf("the pattern matches the empty str, of which there is no end")
		}
		parts = append(parts, s[end:m[0]])
		if limit > 0 && Int(len(parts)) >= limit {
			return c.newStrings(parts)
		}
		end = m[1]
	}
	return c.newStrings(append(parts, s[end:]))
}
