// Package redact owns how text is shown that may hold a credential: a URL with
// user information or a token in it, a line of a config, a message that quotes
// either. It knows what credentials look like and where in a text they stand; it
// knows no config.
//
// What is hidden becomes Mask, whatever its length.
package redact

import (
	"slices"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/berth-oci/berth/internal/base/lazyregexp"
)

// Mask stands where a credential is.
const Mask = "***"

// URL shows a value that is a URL, or what a URL names, by scheme, host and port
// alone: everything else may be a credential, as the path of a webhook is.
func URL(value string) string {
	return hide(value, inURL(value, authority(value), len(value), true))
}

// authority returns where the authority of a URL begins, which may have no scheme.
func authority(value string) int {
	if i := strings.Index(value, "://"); i > 0 && !strings.ContainsFunc(value[:i], func(r rune) bool { return r >= utf8.RuneSelf || !isSchemeByte(byte(r)) }) {
		return i + len("://")
	}
	return 0
}

// Text shows a message that may quote URLs: without their user information, the
// values of their query and their fragment.
func Text(text string) string {
	if !strings.Contains(text, "://") {
		return text
	}
	return hide(text, inURLs(text, false))
}

// Value shows a value that is no URL by its type, under the name that a config
// gives it: nothing where that says that it is a secret, else without what looks
// like the user and password of a URL.
func Value(name, value string) string {
	if secretName().MatchString(name) {
		return Mask
	}
	return hide(value, merge(append(inURLs(value, false), logins(value)...)))
}

// Without shows a text without the secrets in it.
func Without(text string, secrets []string) string { return hide(text, merge(known(text, secrets))) }

// Name reports whether what has the name is a secret itself, as a password is; a
// file that holds one is not.
func Name(name string) bool { return secretName().MatchString(name) }

// Parts returns what of the value of a URL is not to be shown elsewhere: user
// information, and of path, query and fragment what may be a token.
func Parts(value string) []string {
	var parts []string
	for _, s := range inURL(value, authority(value), len(value), true) {
		hidden := value[s.from:s.to]
		parts = append(parts, hidden)
		parts = append(parts, strings.FieldsFunc(hidden, func(r rune) bool { return strings.ContainsRune(":/?&=#", r) })...)
	}
	return slices.DeleteFunc(parts, func(p string) bool { return !Telling(p) })
}

// Telling reports whether a text is of such a form that its other occurrences are
// the same secret: words are not.
func Telling(s string) bool {
	return len(s) >= 6 && strings.ContainsFunc(s, func(r rune) bool { return r < 'a' || r > 'z' })
}

// Line is a line of a source as it is shown.
type Line struct {
	Text  string
	masks []mask // in order and apart
}

// mask stands in a line for characters from up to, and without, to.
type mask struct {
	span
	shown int // where it stands in the text that is shown, in characters
}

// LineOf shows a line of a source without the secrets, without what looks like
// one, and of URLs only scheme, host and port.
func LineOf(line string, secrets []string) Line {
	spans := merge(slices.Concat(inURLs(line, true), logins(line), assigned(line), known(line, secrets)))
	l := Line{Text: hide(line, spans)}
	bytes, chars, shown := 0, 0, 0 // behind the last mask: of the line, and of what is shown
	for _, s := range spans {
		between := utf8.RuneCountInString(line[bytes:s.from])
		m := mask{shown: shown + between}
		m.from = chars + between
		m.to = m.from + utf8.RuneCountInString(line[s.from:s.to])
		l.masks = append(l.masks, m)
		bytes, chars, shown = s.to, m.to, m.shown+len(Mask)
	}
	return l
}

// Columns returns where characters are shown that stand at the columns from up to,
// and without, to, both counted from 1.
func (l Line) Columns(from, to int) (int, int) {
	return l.column(from-1, false) + 1, l.column(to-1, true) + 1
}

func (l Line) column(at int, end bool) int {
	i := sort.Search(len(l.masks), func(i int) bool { return l.masks[i].to > at })
	switch {
	case i < len(l.masks) && at > l.masks[i].from && end:
		return l.masks[i].shown + len(Mask)
	case i < len(l.masks) && at > l.masks[i].from:
		return l.masks[i].shown
	case i > 0:
		last := l.masks[i-1]
		return last.shown + len(Mask) + at - last.to
	}
	return at
}

// span is a part of a text.
type span struct{ from, to int }

// hide replaces the spans, which are in order and apart.
func hide(text string, spans []span) string {
	var b strings.Builder
	end := 0
	for _, s := range spans {
		b.WriteString(text[end:s.from])
		b.WriteString(Mask)
		end = s.to
	}
	b.WriteString(text[end:])
	return b.String()
}

// merge puts spans in order and joins those that overlap.
func merge(spans []span) []span {
	slices.SortFunc(spans, func(a, b span) int { return a.from - b.from })
	var merged []span
	for _, s := range spans {
		if n := len(merged); n > 0 && s.from < merged[n-1].to {
			merged[n-1].to = max(merged[n-1].to, s.to)
		} else if s.from < s.to {
			merged = append(merged, s)
		}
	}
	return merged
}

// inURLs returns the spans of all URLs of a text.
func inURLs(text string, strict bool) (spans []span) {
	for at, end, ok := nextURL(text, 0); ok; at, end, ok = nextURL(text, end) {
		spans = append(spans, inURL(text, at, end, strict)...)
	}
	return spans
}

// nextURL finds the next URL at or after from: at is behind its ://. In quotes it
// reaches to the end of these, else to what no URL has.
func nextURL(text string, from int) (at, end int, ok bool) {
	i := strings.Index(text[from:], "://")
	if i < 0 {
		return 0, 0, false
	}
	at = from + i + len("://")
	start := at - len("://")
	for start > from && isSchemeByte(text[start-1]) {
		start--
	}
	if start > 0 && strings.IndexByte("\"'`", text[start-1]) >= 0 {
		if n := strings.IndexByte(text[at:], text[start-1]); n >= 0 {
			return at, at + n, true
		}
	}
	if n := strings.IndexAny(text[at:], " \t\r\n\"'`<>"); n >= 0 {
		return at, at + n, true
	}
	return at, len(text), true
}

func isSchemeByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("+.-", c) >= 0
}

// inURL returns what is hidden of the URL whose authority begins at from. Strictly
// that is all but host and port, also where it is not clear which part these are.
func inURL(text string, from, to int, strict bool) []span {
	rest := text[from:to]
	end := beforeAny(rest, 0, "/?#")
	last := strings.LastIndexByte(rest, '@')
	user := strings.LastIndexByte(rest[:end], '@')
	odd := !isPort(rest[user+1 : end])
	switch {
	case strict && (odd || last >= end):
		return []span{{from, to}}
	case odd && last >= end: // a password with a / in it
		user, end = last, beforeAny(rest, last, "/?#")
	}
	var spans []span
	if user >= 0 {
		spans = append(spans, span{from, from + user})
	}
	if !strict {
		return append(spans, inQuery(text, from+end, to)...)
	}
	if len(rest) > end+1 {
		spans = append(spans, span{from + end + 1, to})
	}
	return spans
}

// beforeAny returns where the first of chars is at or after from, else the end.
func beforeAny(text string, from int, chars string) int {
	if i := strings.IndexAny(text[from:], chars); i >= 0 {
		return from + i
	}
	return len(text)
}

// inQuery returns the values of a query, and the fragment, of the rest of a URL.
func inQuery(text string, from, to int) (spans []span) {
	rest := text[from:to]
	query, fragment := strings.IndexByte(rest, '?'), strings.IndexByte(rest, '#')
	if fragment >= 0 {
		spans = append(spans, span{from + fragment + 1, to})
	} else {
		fragment = len(rest)
	}
	if query < 0 || query > fragment {
		return merge(spans)
	}
	at := from + query + 1
	for pair := range strings.SplitSeq(rest[query+1:fragment], "&") {
		value := strings.IndexByte(pair, '=') + 1 // all of it, where there is none
		spans = append(spans, span{at + value, at + len(pair)})
		at += len(pair) + 1
	}
	return merge(spans)
}

// isPort reports whether a host has a port that is a number, or none.
func isPort(host string) bool {
	if strings.HasPrefix(host, "[") {
		_, host, _ = strings.Cut(host, "]")
	}
	_, port, _ := strings.Cut(host, ":")
	return !strings.ContainsFunc(port, func(r rune) bool { return r < '0' || r > '9' })
}

// login is user and password before a host, where no scheme tells that it is a URL.
var login = lazyregexp.New(`[A-Za-z0-9._%+-]+:[^\s"'` + "`" + `@:][^\s"'` + "`" + `@]*@[A-Za-z0-9\[]`)

func logins(text string) (spans []span) {
	for _, m := range login().FindAllStringIndex(text, -1) {
		at := m[1] - len("@x")
		if rest := text[at+1:]; strings.HasPrefix(rest, "sha256:") || strings.HasPrefix(rest, "sha512:") || strings.Contains(text[m[0]:at], "://") {
			continue // a reference with a digest; a URL
		}
		spans = append(spans, span{m[0], at})
	}
	return spans
}

// What a name ends with that a secret has.
const secretWord = `(?:pass(?:word|wd|phrase)|pwd|secret|token|(?:api|access|account|private|secret|shared)[_-]?key|connection[_-]?string|signature)s?`

var (
	secretName = lazyregexp.New(`(?i)` + secretWord + `$`)
	assignment = lazyregexp.New(`(?i)` + secretWord + `["']?(?:\s*:\s*\w+)?\s*[:=]\s*("(?:[^"\\]|\\.)*"?|'[^']*'?|[^\s"'].*)`)
)

// assigned returns the values that a line gives to names of secrets.
func assigned(line string) (spans []span) {
	for _, m := range assignment().FindAllStringSubmatchIndex(line, -1) {
		s := span{m[2], m[3]}
		if quote := line[s.from]; quote == '"' || quote == '\'' {
			s.from++
			if s.to > s.from && line[s.to-1] == quote {
				s.to--
			}
		}
		spans = append(spans, s)
	}
	return spans
}

// known returns where secrets stand in a text.
func known(text string, secrets []string) (spans []span) {
	for _, secret := range secrets {
		for from := 0; secret != ""; {
			i := strings.Index(text[from:], secret)
			if i < 0 {
				break
			}
			spans = append(spans, span{from + i, from + i + len(secret)})
			from += i + len(secret)
		}
	}
	return spans
}
