package transfer

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/berth-oci/berth/internal/base/lazyregexp"
)

// version is what a tag says about its age: a semantic version, and the time
// that the default tag_format adds.
type version struct {
	tag  string
	core [3]int
	pre  string // pre-release; "" ranks highest (semver.org, 11)
	time string
}

var versionForm = lazyregexp.New(`^v?(\d{1,9})(?:\.(\d{1,9}))?(?:\.(\d{1,9}))?(?:-(.*?))??(?:-(\d{8}T\d{6}Z))?$`)

func parseVersion(tag string) (version, bool) {
	m := versionForm().FindStringSubmatch(tag)
	if m == nil {
		return version{}, false
	}
	v := version{tag: tag, pre: m[4], time: m[5]}
	for i := range v.core {
		v.core[i], _ = strconv.Atoi(m[i+1]) // digits or nothing
	}
	return v, true
}

// newest returns latest when it is there, else the tag of the highest version,
// of these the newest; ok is false when no tag is a version.
func newest(tags []string) (tag string, ok bool) {
	if slices.Contains(tags, "latest") {
		return "latest", true
	}
	var versions []version
	for _, tag := range tags {
		if v, ok := parseVersion(tag); ok {
			versions = append(versions, v)
		}
	}
	if len(versions) == 0 {
		return "", false
	}
	return slices.MaxFunc(versions, compareVersions).tag, true
}

func compareVersions(a, b version) int {
	return cmp.Or(slices.Compare(a.core[:], b.core[:]), comparePre(a.pre, b.pre), cmp.Compare(a.time, b.time), cmp.Compare(a.tag, b.tag))
}

// comparePre orders pre-releases by semver.org, 11.3 and 11.4.
func comparePre(a, b string) int {
	if a == "" || b == "" {
		return cmp.Compare(b, a) // the empty one is higher
	}
	return slices.CompareFunc(strings.Split(a, "."), strings.Split(b, "."), func(x, y string) int {
		m, errX := strconv.Atoi(x)
		n, errY := strconv.Atoi(y)
		switch {
		case errX == nil && errY == nil:
			return cmp.Compare(m, n)
		case errX == nil:
			return -1
		case errY == nil:
			return 1
		}
		return cmp.Compare(x, y)
	})
}
