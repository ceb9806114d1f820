package diag

import (
	"net/url"
	"strings"
	"testing"
)

// No message shows the credentials of a URL, whatever it was made of.
func TestCredentialsInMessages(t *testing.T) {
	port := "port"
	_, err := url.Parse("http://user:hidden@host:" + port + "/")
	d := Errorf(Failed, "cannot use it: %w", err).WithHint("see https://user:hidden@host/?key=hidden")
	d.Related = []Related{{Message: "it was set-here"}}
	d.Hide([]string{"set-here"})
	var out strings.Builder
	Style{}.WriteText(&out, List{d}, nil)
	WriteGitHub(&out, List{d})
	if err := WriteSARIF(&out, List{d}, "1", 1); err != nil {
		t.Fatal(err)
	}
	data, err := d.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	text := out.String() + string(data) + d.Error()
	if strings.Contains(text, "hidden") || strings.Contains(text, "set-here") || !strings.Contains(text, "***@host") {
		t.Error(text)
	}
}
