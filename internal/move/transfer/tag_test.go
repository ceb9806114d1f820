package transfer

import (
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/testtool"
)

func TestTagFormat(t *testing.T) {
	testtool.Path(t, "git")
	dir := t.TempDir()
	for _, args := range []string{"init -q", "-c user.name=x -c user.email=x@localhost commit -q --allow-empty -m x"} {
		if out, err := exec.CommandContext(t.Context(), "git", append([]string{"-C", dir}, strings.Fields(args)...)...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	t.Setenv("SOURCE_DATE_EPOCH", "1767225600")
	for format, c := range map[string]struct{ dir, want string }{
		"{name}-{version}":            {dir, "app-1.0.0"},
		"{date}":                      {dir, "2026-01-01"},
		"{version}-{timestamp}":       {dir, "1.0.0-20260101T000000Z"},
		"{version}{bogus}":            {dir, ""},
		"{version}{bogus}-{commit}":   {dir, ""}, // what comes behind a mistake mends nothing
		"{commit}{bogus}":             {dir, ""},
		"{version}-{commit}":          {t.TempDir(), ""},
		"{commit}-{version}-{commit}": {t.TempDir(), ""},
		"-{version}":                  {dir, ""},
	} {
		target := targetOf(t, http.NotFoundHandler())
		target.Push.TagFormat = &format
		got, err := expand(t.Context(), target, c.dir, "app", "1.0.0")
		if c.want == "" {
			wantCode(t, err, diag.ConfigConflict)
		} else if err != nil || got != c.want {
			t.Errorf("%s: %q (%v), want %q", format, got, err, c.want)
		}
	}
	target, format := targetOf(t, http.NotFoundHandler()), "{version}-{commit}"
	target.Push.TagFormat = &format
	if got, err := expand(t.Context(), target, dir, "app", "1.0.0"); err != nil || len(got) != len("1.0.0-")+12 {
		t.Errorf("%q (%v)", got, err)
	}
}
