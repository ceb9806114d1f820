package spec

import (
	"fmt"
	"io"
	"log/slog"
	"maps"
	"reflect"
	"slices"

	"github.com/berth-oci/berth/internal/base/redact"
)

// URL is the value of an attribute that names a place on the network and may hold
// a credential: a password before the host, a token in the path or the query.
// Whatever formats or encodes it gets scheme, host and port. The zero URL is "".
type URL struct{ text *string } // what looks into unexported fields sees an address

// NewURL makes a URL of any text; it need not be a valid one.
func NewURL(text string) URL { return URL{&text} }

// Reveal returns the value with what is secret in it, for whoever connects to it.
func (u URL) Reveal() string {
	if u.text == nil {
		return ""
	}
	return *u.text
}

// String returns what may be shown of the value.
func (u URL) String() string { return redact.URL(u.Reveal()) }

// GoString is String.
func (u URL) GoString() string { return u.String() }

// Format writes String, whatever the verb: quoted for %q.
func (u URL) Format(f fmt.State, verb rune) {
	if verb == 'q' {
		fmt.Fprintf(f, "%q", u.String())
		return
	}
	_, _ = io.WriteString(f, u.String()) // fmt reports no errors of writing either
}

// MarshalText gives String to every encoder.
func (u URL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// MarshalYAML gives String to encoders of YAML.
func (u URL) MarshalYAML() (any, error) { return u.String(), nil }

// LogValue gives String to log/slog.
func (u URL) LogValue() slog.Value { return slog.StringValue(u.String()) }

// UnmarshalText takes the value as it is.
func (u *URL) UnmarshalText(text []byte) error {
	*u = NewURL(string(text))
	return nil
}

// Shown returns what may be shown of a text that an attribute of the name holds, be
// it of this package or of a schema that derives from one.
func Shown(name, text string) string {
	if slices.Contains(URLs(), name) {
		return redact.URL(text)
	}
	return redact.Value(name, text)
}

// URLs returns the names of the attributes, of whatever schema, whose values or
// elements are URLs, sorted.
func URLs() []string {
	names := map[string]bool{}
	urlsIn(reflect.TypeFor[Registry](), "", names)
	return slices.Sorted(maps.Keys(names))
}

func urlsIn(t reflect.Type, name string, names map[string]bool) {
	switch {
	case t == reflect.TypeFor[URL]():
		names[name] = true
	case t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map:
		urlsIn(t.Elem(), name, names)
	case t.Kind() == reflect.Struct:
		for i := range t.NumField() {
			urlsIn(t.Field(i).Type, t.Field(i).Tag.Get("kcl"), names)
		}
	}
}
