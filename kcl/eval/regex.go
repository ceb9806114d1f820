package eval

import (
	"regexp"
	"regexp/syntax"
	"strings"

	"github.com/berth-oci/berth/diag"
)

// newModules returns the modules that come with the language.
func newModules() map[string]map[string]Value {
	return map[string]map[string]Value{
		"regex": functions(map[string]func(*call) Value{
			"match":   regexMatch,
			"search":  regexMatch,
			"compile": regexCompile,
			"findall": regexFindAll,
			"replace": regexReplace,
			"split":   regexSplit,
		}),
	}
}

// pattern compiles the pattern of a regex call. Patterns run in linear time:
// what Go's engine lacks for that reason is named in the error.
func pattern(c *call, expr string) (*regexp.Regexp, bool) {
	re, err := regexp.Compile(expr)
	if err == nil {
		return re, true
	}
	d := diag.Errorf(diag.EvalFailed, "%s: invalid pattern: %v", c.name, err).At(c.at.Span())
	if e, ok := err.(*syntax.Error); ok {
		switch {
		case strings.HasPrefix(e.Expr, "(?=") || strings.HasPrefix(e.Expr, "(?!") || strings.HasPrefix(e.Expr, "(?<"):
			d.Message = c.name + ": lookaround " + e.Expr + " is not supported, because patterns run in linear time"
		case e.Code == syntax.ErrInvalidEscape:
			d.Message = c.name + ": " + e.Expr + " is not supported (a back reference, or no escape)"
		}
	}
	c.ev.report(d)
	return nil, false
}

// regexArgs returns the first n arguments as strings and the pattern that is
// the second of them.
func regexArgs(c *call, names ...string) ([]string, *regexp.Regexp) {
	out := make([]string, len(names))
	for i, name := range names {
		s, ok := c.str(i, name)
		if !ok {
			c.wrong(c.arg(i, name), "a str as "+name)
			return nil, nil
		}
		out[i] = s
	}
	re, _ := pattern(c, out[1])
	return out, re
}

// regexMatch searches; despite its name it is not anchored.
func regexMatch(c *call) Value {
	args, re := regexArgs(c, "string", "pattern")
	if re == nil {
		return bad{}
	}
	return Bool(re.MatchString(args[0]))
}

func regexCompile(c *call) Value {
	s, ok := c.str(0, "pattern")
	if !ok {
		return c.wrong(c.arg(0, "pattern"), "a str")
	}
	_, err := regexp.Compile(s)
	return Bool(err == nil)
}

func regexFindAll(c *call) Value {
	args, re := regexArgs(c, "string", "pattern")
	if re == nil {
		return bad{}
	}
	return stringList(re.FindAllString(args[0], -1))
}

func regexReplace(c *call) Value {
	args, re := regexArgs(c, "string", "pattern", "replace")
	if re == nil {
		return bad{}
	}
	if n, ok := c.arg(3, "count").(Int); ok && n > 0 {
		left := int(n)
		return c.ev.str(re.ReplaceAllStringFunc(args[0], func(m string) string {
			if left == 0 {
				return m
			}
			left--
			return re.ReplaceAllString(m, args[2])
		}), c.at)
	}
	return c.ev.str(re.ReplaceAllString(args[0], args[2]), c.at)
}

func regexSplit(c *call) Value {
	args, re := regexArgs(c, "string", "pattern")
	if re == nil {
		return bad{}
	}
	limit := -1
	if n, ok := c.arg(2, "maxsplit").(Int); ok && n > 0 {
		limit = int(n) + 1
	}
	return stringList(re.Split(args[0], limit))
}
