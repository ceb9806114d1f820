package spec_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/berth-oci/berth/spec"
)

// Nothing that prints, formats, encodes or logs a struct prints what is in a URL.
func TestURLIsNotPrinted(t *testing.T) {
	u := spec.NewURL("http://user:hidden@host:1")
	config := spec.Registry{Endpoint: u, Remote: &spec.Remote{HTTPProxy: &u}, Features: &spec.Features{WebhookEndpoints: []spec.URL{u}}}
	inner := struct{ u spec.URL }{u}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, v := range []any{u, &u, config, *config.Remote, config.Remote, *config.Features, []spec.URL{u}, map[string]spec.URL{"a": u}, inner, fmt.Errorf("it is %v", u)} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
	}
	for _, encode := range []func(any) ([]byte, error){json.Marshal, yaml.Marshal} {
		data, err := encode(config)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(data), "***@host:1") {
			t.Errorf("encoded without the host: %s", data)
		}
		out.Write(data)
	}
	for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(handler).Info("here", "url", u, "config", config)
	}
	for _, form := range []string{"hidden", fmt.Sprintf("%x", "hidden")} {
		if strings.Contains(out.String(), form) {
			t.Errorf("%s is printed:\n%s", form, out.String())
		}
	}
	if u.Reveal() != "http://user:hidden@host:1" || (spec.URL{}).Reveal() != "" {
		t.Errorf("it is %q and %q", u.Reveal(), (spec.URL{}).Reveal())
	}
}

// plain are the attributes of the type string that are shown as they are: names,
// paths of files, numbers with a unit. What may hold a credential is a spec.URL.
var plain = strings.Fields(`
deployment type tls_cert_path tls_key_path ca_cert_path username password_path auth_token_path
data_dir config_path htpasswd_path binary_path log_file listen_address trusted_proxies
backend rootdirectory bucket region prefix credentials_path account_name container no_proxy
extensions kcl_packages platform_images test_images custom
scanner_type signing_method gc_schedule name credentials policy tag_format scrub_interval
project severity_threshold repository package_type project_key`)

// A new attribute that holds a text is either a URL or known to hold no credential.
func TestEveryStringIsDecided(t *testing.T) {
	found := map[string]bool{}
	var walk func(reflect.Type, string)
	walk = func(typ reflect.Type, name string) {
		switch {
		case typ == reflect.TypeFor[spec.URL]():
		case typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice || typ.Kind() == reflect.Map:
			walk(typ.Elem(), name)
		case typ.Kind() == reflect.Struct:
			for i := range typ.NumField() {
				walk(typ.Field(i).Type, typ.Field(i).Tag.Get("kcl"))
			}
		case typ.Kind() == reflect.String:
			if found[name] = true; !slices.Contains(plain, name) {
				t.Errorf("%s may hold a credential: make it a spec.URL, or add it to the names that are plain", name)
			}
		}
	}
	walk(reflect.TypeFor[spec.Registry](), "")
	for _, name := range plain {
		if !found[name] {
			t.Errorf("there is no attribute %s of the type string", name)
		}
	}
}
