package store

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/opencontainers/go-digest"
)

func reader(s string) io.Reader { return strings.NewReader(s) }

// snapshot returns all that a storage has, by path.
func (r *registry) snapshot() map[string]string {
	r.t.Helper()
	all := map[string]string{}
	var walk func(dir string)
	walk = func(dir string) {
		names, err := r.driver.List(r.ctx, dir)
		r.must(err)
		for _, name := range names {
			info, err := r.driver.Stat(r.ctx, name)
			r.must(err)
			if info.IsDir() {
				walk(name)
				continue
			}
			content, err := r.driver.GetContent(r.ctx, name)
			r.must(err)
			all[name] = string(content)
		}
	}
	walk("/")
	return all
}

// A dry run removes nothing, and tells exactly what the run after it does.
func TestCollectDryRun(t *testing.T) {
	for name, build := range collections {
		t.Run(name, func(t *testing.T) {
			r := open(t, memory(t))
			build(r)
			r.blob("empty/repository", "garbage")
			r.later(2 * grace)

			var told, done []Verdict
			before := r.snapshot()
			dry, err := r.Collect(r.ctx, Collection{Delay: grace, DryRun: true, Explain: func(v Verdict) { told = append(told, v) }})
			r.must(err)
			if diff := cmp.Diff(before, r.snapshot()); diff != "" {
				t.Fatalf("the dry run changed the storage (-before +after):\n%s", diff)
			}
			wet, err := r.Collect(r.ctx, Collection{Delay: grace, Explain: func(v Verdict) { done = append(done, v) }})
			r.must(err)
			if diff := cmp.Diff(dry, wet, cmpopts.IgnoreFields(Report{}, "DryRun", "Duration")); diff != "" {
				t.Errorf("reports (-dry +wet):\n%s", diff)
			}
			// Several goroutines decide on blobs, in no order.
			byDigest := cmpopts.SortSlices(func(a, b Verdict) bool {
				return a.Kind+a.Repository+a.Digest.String() < b.Kind+b.Repository+b.Digest.String()
			})
			if diff := cmp.Diff(told, done, byDigest); diff != "" {
				t.Errorf("verdicts (-dry +wet):\n%s", diff)
			}
			freed := int64(0)
			for _, v := range done {
				if v.Kind == "blob" && !v.Kept {
					freed += int64(len(before[blobData(v.Digest)]))
				}
			}
			if wet.Freed.Bytes != freed || wet.Blobs != len(r.onDisk()) {
				t.Errorf("%d bytes were freed and %d blobs left, and the report has %d and %d", freed, len(r.onDisk()), wet.Freed.Bytes, wet.Blobs)
			}
		})
	}
}

// Every manifest and blob is explained, with the right reason.
func TestCollectExplains(t *testing.T) {
	r := open(t, memory(t))
	old := r.blob("a", "garbage")
	dead := r.image("a", "", "dead")
	both := r.image("a", "v1", "both")
	r.put("a", "v2", imageOf(both[1], both[2:]))
	child := r.image("a", "", "child")
	top := r.index("a", "top", child[0])
	signature := r.image("a", "", "signature", refersTo(top))
	subject := r.image("a", "", "subject")
	tagged := r.image("a", "tagged", "tagged", refersTo(subject[0]))
	r.later(maxFreshAge)
	young := r.blob("a", "young")
	fresh := r.image("a", "", "fresh")

	const gone, needless = "no tag, index or live subject leads to it", "no repository needs it"
	want := map[digest.Digest]string{
		old.Digest: needless, dead[0].Digest: gone, dead[1].Digest: needless, dead[2].Digest: needless,
		both[0].Digest:      "tag v1, v2",
		top.Digest:          "tag top",
		child[0].Digest:     "named by " + top.Digest.String(),
		signature[0].Digest: "refers to " + top.Digest.String(),
		tagged[0].Digest:    "tag tagged",
		subject[0].Digest:   "referred to by " + tagged[0].Digest.String(),
		fresh[0].Digest:     "pushed, asked for or untagged of late",
		young.Digest:        "pushed or asked for of late, and no manifest names it yet",
	}
	for _, i := range []image{both, child, signature, subject, tagged, fresh} {
		for _, b := range i[1:] {
			want[b.Digest] = "named by " + i[0].Digest.String()
		}
	}
	got := map[digest.Digest]string{}
	_, err := r.Collect(r.ctx, Collection{Delay: grace, Explain: func(v Verdict) {
		removed := v.Why == gone || v.Why == needless
		if v.Kept == removed {
			t.Errorf("kept and why do not fit: %+v", v)
		}
		if got[v.Digest] == "" { // the content of a manifest is a blob as well
			got[v.Digest] = v.Why
		}
	}})
	r.must(err)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("reasons (-want +got):\n%s", diff)
	}
}

// A collection that is stopped leaves whole what it did not remove, and the next
// one removes that.
func TestCollectStops(t *testing.T) {
	d := interrupt(files(t)) // memory asks no context
	r := open(t, d)
	live := r.image("a", "v1", "live")
	for _, seed := range []string{"1", "2", "3"} {
		r.image("a", "", seed)
	}
	r.later(2 * grace)
	ctx, stop := context.WithCancel(r.ctx)
	d.at("Delete", revisionPath("a", firstRevision(r, "a", live[0].Digest)), stop)
	report, err := r.Collect(ctx, Collection{Delay: grace})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("%v, want that it was stopped", err)
	}
	if report.Freed.Manifests == 3 {
		t.Error("it went on to the end")
	}
	r.complete("a", "v1")
	r.collect()
	r.left(live)
}

// firstRevision returns a manifest other than one.
func firstRevision(r *registry, repo string, but digest.Digest) (first digest.Digest) {
	r.t.Helper()
	r.must(r.eachRevision(r.ctx, repo, func(d digest.Digest, _ []digest.Digest) error {
		if first == "" && d != but {
			first = d
		}
		return nil
	}))
	return first
}

// One collection runs at a time; another one waits, for as long as it may.
func TestCollectWaits(t *testing.T) {
	d := interrupt(memory(t))
	r := open(t, d)
	var second error
	d.at("List", repositoriesRoot, func() {
		ctx, cancel := context.WithTimeout(r.ctx, time.Millisecond)
		defer cancel()
		_, second = r.Collect(ctx, Collection{})
	})
	r.collect()
	if !errors.Is(second, context.DeadlineExceeded) {
		t.Errorf("%v, want that it waits", second)
	}
}

// What only the storage service knows of an upload is ended as well, unless
// nothing is to be removed.
func TestCollectPurgesParts(t *testing.T) {
	var before []time.Time
	r := openWith(t, memory(t), Options{Delay: grace, Purge: func(_ context.Context, b time.Time) (int, error) {
		before = append(before, b)
		return 3, nil
	}})
	for _, c := range []Collection{{DryRun: true}, {Delay: grace}, {Delay: 200 * time.Hour}} {
		report, err := r.Collect(r.ctx, c)
		r.must(err)
		if want := 3; !c.DryRun && report.Freed.Uploads != want {
			t.Errorf("%d uploads, want %d", report.Freed.Uploads, want)
		}
	}
	ages := make([]time.Duration, len(before))
	for i, b := range before {
		ages[i] = time.Since(b).Round(time.Hour)
	}
	if want := []time.Duration{partsAge, 200 * time.Hour}; !slices.Equal(ages, want) {
		t.Errorf("purged parts older than %v, want %v", ages, want)
	}
}
