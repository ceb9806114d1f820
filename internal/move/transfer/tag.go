package transfer

import (
	"context"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/lazyregexp"
	"github.com/berth-oci/berth/internal/base/oci"
	"github.com/berth-oci/berth/internal/config/resolve"
)

const formatPath = "push_policy.tag_format"

// checkTag fails with diag.BadReference for what no tag can be.
func checkTag(tag string) error {
	if oci.IsTag(tag) {
		return nil
	}
	return diag.Errorf(diag.BadReference, "%q is not a tag", tag).
		WithHint("a tag is up to 128 letters, digits, . _ -, and starts with no . or -")
}

// tagsFor returns the tags of a push: the given ones, else one by the policy,
// which with exact is the version whatever the policy.
func tagsFor(ctx context.Context, t *resolve.Target, opts PushOptions, name, version string, exact bool) ([]string, error) {
	if len(opts.Tags) > 0 {
		return opts.Tags, nil
	}
	if exact || !t.Push.AutoTag || t.Push.TagFormat == nil || *t.Push.TagFormat == "" {
		return []string{version}, nil
	}
	tag, err := expand(ctx, t, opts.Path, name, version)
	return []string{tag}, err
}

var placeholders = lazyregexp.New(`\{[^{}]*\}`)

// expand fills in the placeholders of tag_format.
func expand(ctx context.Context, t *resolve.Target, dir, name, version string) (string, error) {
	now, err := buildTime()
	if err != nil {
		return "", err
	}
	var fault error
	tag := placeholders().ReplaceAllStringFunc(*t.Push.TagFormat, func(placeholder string) string {
		switch placeholder {
		case "{version}":
			return version
		case "{name}":
			return name
		case "{timestamp}":
			return now.Format("20060102T150405Z")
		case "{date}":
			return now.Format(time.DateOnly)
		case "{commit}":
			commit, err := gitCommit(ctx, t, dir)
			if fault == nil {
				fault = err
			}
			return commit
		}
		fault = t.Fault(diag.ConfigConflict, formatPath, "tag_format has the unknown placeholder %s", placeholder).
			WithHint("known: {name}, {version}, {timestamp}, {date}, {commit}")
		return ""
	})
	if fault == nil && !oci.IsTag(tag) {
		fault = t.Fault(diag.ConfigConflict, formatPath, "tag_format %q makes %q, which is not a tag", *t.Push.TagFormat, tag).
			WithHint("a tag is up to 128 letters, digits, . _ -, and starts with no . or -")
	}
	return tag, fault
}

// buildTime is now, or what SOURCE_DATE_EPOCH says
// (reproducible-builds.org/specs/source-date-epoch).
func buildTime() (time.Time, error) {
	epoch, set := os.LookupEnv("SOURCE_DATE_EPOCH")
	if !set {
		return time.Now().UTC(), nil
	}
	seconds, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil {
		return time.Time{}, diag.Errorf(diag.Usage, "SOURCE_DATE_EPOCH %q is not a number", epoch).WithHint("give seconds since 1970, or unset it")
	}
	return time.Unix(seconds, 0).UTC(), nil
}

func gitCommit(ctx context.Context, t *resolve.Target, dir string) (string, error) {
	out, err := exec.CommandContext(ctx, "git", "-C", dir, "rev-parse", "--short=12", "HEAD").Output()
	if err != nil {
		return "", t.Fault(diag.ConfigConflict, formatPath, "tag_format asks for {commit}, and %s is in no git repository with a commit", dir).
			WithHint("commit it, take {commit} out of tag_format, or pass --tag")
	}
	return strings.TrimSpace(string(out)), nil
}
