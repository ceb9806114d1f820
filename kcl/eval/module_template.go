package eval

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/berth-oci/berth/kcl/syntax"
)

// templateExecute renders a Handlebars template with the entries of a dict.
func templateExecute(c *call) Value {
	source := c.text(0, "template")
	if c.read(source, readSize/4); c.failed {
		return bad{}
	}
	var data any = &Object{}
	if v := c.arg(1, "data"); v != nil {
		if entriesOf(v) == nil {
			c.mismatch(v, "data", "a dict")
			return bad{}
		}
		data = c.ev.encode(v, encoding{sortKeys: true}, c.at)
	}
	nodes, err := parseTemplate(source)
	if err != nil {
		return c.errorf("%v", err)
	}
	r := &renderer{ev: c.ev, at: c.at, partials: map[string][]templateNode{}}
	root := &templateScope{value: data}
	root.root = root
	if err := r.nodes(nodes, root); err != nil {
		return c.errorf("%v", err)
	}
	return c.newStr(r.out.String())
}

func templateEscape(c *call) Value { return c.newStr(escapeHTML(c.text(0, "data"))) }

func escapeHTML(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#x27;", "`", "&#x60;", "=", "&#x3D;").Replace(s)
}

// templateScope is what names mean at one place: the value of the innermost
// each or with, the names that it gives, and the scope around it.
type templateScope struct {
	value  any
	locals map[string]any // @index and the like
	params map[string]any // as |name|
	parent *templateScope
	root   *templateScope
}

func (s *templateScope) child(value any, locals map[string]any) *templateScope {
	return &templateScope{value: value, locals: locals, parent: s, root: s.root, params: map[string]any{}}
}

type renderer struct {
	ev       *evaluator
	at       syntax.Range
	out      strings.Builder
	partials map[string][]templateNode
	depth    int
}

// missing stands for a value that is not there.
type missing struct{}

func (r *renderer) nodes(nodes []templateNode, s *templateScope) error {
	r.depth++
	defer func() { r.depth-- }()
	if r.depth > maxNesting {
		return errors.New("the template nests too deeply; is a partial part of itself?")
	}
	for i := range nodes {
		if tooLong(&r.out) || !r.ev.spend(10) {
			return nil // reported with the result
		}
		if err := r.node(&nodes[i], s); err != nil {
			return err
		}
	}
	return nil
}

func (r *renderer) node(n *templateNode, s *templateScope) error {
	switch n.kind {
	case textNode:
		r.out.WriteString(n.text)
	case valueNode:
		v, err := r.eval(n.call, s)
		if err != nil {
			return err
		}
		text := templateText(v)
		if isRaw := n.call.isHelper() && n.call.path == "raw"; isRaw {
			text = rawText(v)
		} else if !n.raw {
			text = escapeHTML(text)
		}
		r.out.WriteString(text)
	case inlineNode:
		r.partials[n.text] = n.body
	case partialNode:
		return r.partial(n, s)
	case blockNode:
		return r.block(n, s)
	}
	return nil
}

func (r *renderer) partial(n *templateNode, s *templateScope) error {
	body, ok := r.partials[n.call.path]
	if !ok && n.body == nil {
		return fmt.Errorf("there is no partial %s", n.call.path)
	}
	if !ok {
		body = n.body
	}
	inner := s
	if len(n.call.params) > 0 {
		v, err := r.eval(n.call.params[0], s)
		if err != nil {
			return err
		}
		inner = s.child(v, nil)
	}
	if len(n.call.hash) > 0 {
		o := &Object{Values: map[string]any{}}
		if old, ok := inner.value.(*Object); ok {
			for _, key := range old.Keys {
				o.set(key, old.Values[key])
			}
		}
		for _, h := range n.call.hash {
			v, err := r.eval(h.value, s)
			if err != nil {
				return err
			}
			o.set(h.name, v)
		}
		slices.Sort(o.Keys)
		inner = s.child(o, nil)
	}
	return r.nodes(body, inner)
}

func (r *renderer) block(n *templateNode, s *templateScope) error {
	name := n.call.path
	if len(n.call.params) == 0 && n.call.isHelper() {
		return fmt.Errorf("%s needs a value", name)
	}
	switch name {
	case "if", "unless", "with", "each":
	default:
		if !n.call.isHelper() {
			return fmt.Errorf("there is no helper %s", name)
		}
		inline := templateNode{kind: valueNode, call: n.call}
		return r.node(&inline, s)
	}
	v, err := r.eval(n.call.params[0], s)
	if err != nil {
		return err
	}
	includeZero := false
	for _, h := range n.call.hash {
		if z, err := r.eval(h.value, s); h.name == "includeZero" && err == nil {
			includeZero = z == true
		}
	}
	holds := templateTruth(v, includeZero)
	switch {
	case name == "each":
		return r.each(n, v, s)
	case name == "with" && holds:
		inner := s.child(v, nil)
		if len(n.names) > 0 {
			inner.params[n.names[0]] = v
		}
		return r.nodes(n.body, inner)
	case name == "if" && holds, name == "unless" && !holds:
		return r.nodes(n.body, s)
	}
	return r.nodes(n.inverse, s)
}

func (r *renderer) each(n *templateNode, v any, s *templateScope) error {
	var keys []string
	var values []any
	isObject := false
	switch v := v.(type) {
	case []any:
		values = v
	case *Object:
		isObject = true
		keys = v.Keys
		for _, key := range keys {
			values = append(values, v.Values[key])
		}
	case string:
		if v != "" {
			return nil
		}
	}
	if len(values) == 0 {
		return r.nodes(n.inverse, s)
	}
	for i, elem := range values {
		locals := map[string]any{"first": i == 0, "last": i == len(values)-1, "index": int64(i)}
		var key any = int64(i)
		if isObject {
			key = keys[i]
			locals["key"] = key
		}
		inner := s.child(elem, locals)
		for j, name := range n.names[:min(2, len(n.names))] {
			inner.params[name] = []any{elem, key}[j]
		}
		if err := r.nodes(n.body, inner); err != nil || r.ev.stopped {
			return err
		}
	}
	return nil
}

// eval returns the value of a literal, path or call.
func (r *renderer) eval(c *templateCall, s *templateScope) (any, error) {
	switch {
	case c.isLiteral:
		return c.literal, nil
	case c.isHelper() && (len(c.params) > 0 || !c.isParam):
		return r.helper(c, s)
	case len(c.params) > 0 || len(c.hash) > 0:
		return nil, fmt.Errorf("there is no helper %s", c.path)
	}
	return s.lookup(c.path)
}

// lookup follows a path.
func (s *templateScope) lookup(path string) (any, error) {
	steps := templateSteps(path)
	local := false
	if len(steps) > 0 && strings.HasPrefix(steps[0], "@") {
		local = true
		steps[0] = steps[0][1:]
	}
	var v any
	for len(steps) > 0 && (steps[0] == ".." || steps[0] == "this" || steps[0] == "." || steps[0] == "") {
		if steps[0] == ".." && s.parent != nil {
			s = s.parent
		}
		steps = steps[1:]
	}
	switch v = s.value; {
	case local && len(steps) > 1 && steps[0] == "root":
		v, steps = s.root.value, steps[1:]
	case local && len(steps) > 0:
		l, ok := s.locals[steps[0]]
		for p := s.parent; !ok && p != nil; p = p.parent {
			l, ok = p.locals[steps[0]]
		}
		if !ok {
			return missing{}, nil
		}
		v, steps = l, steps[1:]
	case len(steps) > 0:
		for p := s; p != nil; p = p.parent {
			if named, ok := p.params[steps[0]]; ok {
				v, steps = named, steps[1:]
				break
			}
		}
	}
	for _, step := range steps {
		var err error
		if v, err = templateMember(v, step); err != nil {
			return nil, err
		}
	}
	return v, nil
}

func templateMember(v any, step string) (any, error) {
	switch v := v.(type) {
	case *Object:
		if m, ok := v.Values[step]; ok {
			return m, nil
		}
	case []any:
		n, err := strconv.ParseUint(step, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("%s is no index of a list", step)
		}
		if n < uint64(len(v)) {
			return v[n], nil
		}
	}
	return missing{}, nil
}

// templateTruth returns what a value means to #if.
func templateTruth(v any, includeZero bool) bool {
	switch v := v.(type) {
	case bool:
		return v
	case int64:
		return v != 0 || includeZero
	case float64:
		return v != 0 || includeZero
	case string:
		return v != ""
	case []any:
		return len(v) > 0
	case *Object:
		return len(v.Keys) > 0
	}
	return false
}

func templateText(v any) string {
	switch v := v.(type) {
	case nil, missing:
		return ""
	case string:
		return v
	case []any:
		parts := make([]string, len(v))
		for i, e := range v {
			parts[i] = templateText(e)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case *Object:
		return "[object]"
	}
	return rawText(v)
}

// rawText writes a str as it is and anything else as compact JSON.
func rawText(v any) string {
	switch v := v.(type) {
	case missing:
		return "null"
	case string:
		return v
	case []any:
		parts := make([]string, len(v))
		for i, e := range v {
			parts[i] = compactJSON(e)
		}
		return "[" + strings.Join(parts, ",") + "]"
	case *Object:
		parts := make([]string, len(v.Keys))
		for i, key := range v.Keys {
			parts[i] = compactJSON(key) + ":" + compactJSON(v.Values[key])
		}
		return "{" + strings.Join(parts, ",") + "}"
	}
	var b strings.Builder
	WriteJSON(&b, v)
	return b.String()
}

func compactJSON(v any) string {
	if s, ok := v.(string); ok {
		var b strings.Builder
		writeJSONString(&b, s)
		return b.String()
	}
	return rawText(v)
}
