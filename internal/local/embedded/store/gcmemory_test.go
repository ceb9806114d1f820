package store

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"
	"github.com/opencontainers/go-digest"

	"github.com/berth-oci/berth/internal/base/testtool"
)

// crowd is storage with many blobs in a thousand repositories, all of them pushed
// just now. It has no content, and makes up the rest when asked.
type crowd struct {
	storagedriver.StorageDriver // nil: nothing else is asked for

	each int    // blobs of a repository
	late func() // called near the end of a collection
}

const manyRepositories = 1000

// hexOf spreads blobs evenly, as digests are.
func hexOf(shard byte, n int) string {
	var sum [32]byte
	sum[0] = shard
	binary.BigEndian.PutUint64(sum[1:], uint64(n)*0x9e3779b97f4a7c15)
	return hex.EncodeToString(sum[:])
}

func (m *crowd) List(_ context.Context, dir string) ([]string, error) {
	var names []string
	blobs, repo := blobsPath("sha256"), 0
	if dir == repositoriesRoot {
		for i := range manyRepositories {
			names = append(names, fmt.Sprintf("%s/r%d", dir, i))
		}
	} else if dir == blobs {
		for i := range 256 {
			names = append(names, fmt.Sprintf("%s/%02x", dir, i))
		}
	} else if path.Dir(dir) == blobs {
		var shard byte
		_, _ = fmt.Sscanf(path.Base(dir), "%02x", &shard)
		for i := int(shard); i < manyRepositories*m.each; i += 256 {
			names = append(names, dir+"/"+hexOf(shard, i))
		}
		if shard == 0xff {
			m.late()
		}
	} else if n, _ := fmt.Sscanf(dir, repositoriesRoot+"/r%d", &repo); n == 1 {
		switch {
		case path.Dir(dir) == repositoriesRoot:
			names = append(names, dir+"/_layers")
		case strings.HasSuffix(dir, "/_layers/sha256"):
			for i := repo * m.each; i < (repo+1)*m.each; i++ {
				names = append(names, dir+"/"+hexOf(byte(i%256), i))
			}
		}
	}
	return names, nil
}

func (m *crowd) Stat(_ context.Context, path string) (storagedriver.FileInfo, error) {
	return storagedriver.FileInfoInternal{FileInfoFields: storagedriver.FileInfoFields{Path: path, ModTime: time.Now(), Size: 1}}, nil
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// A collection of a large registry takes no more memory than a small machine
// can give it.
func TestCollectMemory(t *testing.T) {
	if testing.Short() {
		testtool.Skip(t, "-short: a million blobs take seconds")
	}
	const limit = 64 << 20
	each := 1000
	if underRace {
		each = 100 // which is ten times as slow
	}
	var before, during uint64
	r := open(t, &crowd{each: each, late: func() { during = heap() }})
	before = heap()
	report := r.collect()
	blobs := manyRepositories * each
	if report.Blobs != blobs || report.Freed != (Freed{}) {
		t.Errorf("%+v, want all %d blobs kept", report, blobs)
	}
	if used := int64(during) - int64(before); used > limit {
		t.Errorf("%d blobs took %d MB, want at most %d", blobs, used>>20, limit>>20)
	} else {
		t.Logf("%d blobs took %.1f MB and %s", blobs, float64(used)/(1<<20), report.Duration.Round(time.Millisecond))
	}
}

// wordy is storage with large manifests, which are made when they are read.
type wordy struct {
	storagedriver.StorageDriver                // what is asked for beside those
	manifests                   map[string]int // by the path of their content
	peak                        uint64         // of the heap
	mu                          sync.Mutex
	reads                       int
}

func (w *wordy) content(n int) []byte {
	m := imageOf(describe(layerType, []byte("config"), digest.SHA256), nil)
	m.Annotations = map[string]string{"n": fmt.Sprint(n), "note": strings.Repeat("x", 4_000_000)}
	content, err := json.Marshal(m)
	if err != nil {
		panic(err) // the test builds what JSON cannot say
	}
	return content
}

func (w *wordy) GetContent(ctx context.Context, path string) ([]byte, error) {
	n, ok := w.manifests[path]
	if !ok {
		return w.StorageDriver.GetContent(ctx, path)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.reads++; w.reads%8 == 0 {
		w.peak = max(w.peak, heap())
	}
	return w.content(n), nil
}

// Nor do large manifests, however many there are.
func TestCollectMemoryOfManifests(t *testing.T) {
	if testing.Short() {
		testtool.Skip(t, "-short: a hundred large manifests take seconds")
	}
	const many, limit = 100, 200 << 20
	w := &wordy{StorageDriver: memory(t), manifests: map[string]int{}}
	r := open(t, w)
	for n := range many {
		d := digest.FromBytes(w.content(n))
		w.manifests[blobData(d)] = n
		r.must(w.PutContent(r.ctx, revisionLink("a", d), []byte(d)))
	}
	before := heap()
	report, err := r.Collect(r.ctx, Collection{DryRun: true})
	r.must(err)
	if report.Freed.Manifests != many {
		t.Errorf("%+v, want all %d manifests gone", report, many)
	}
	if used := int64(w.peak) - int64(before); used > limit {
		t.Errorf("%d manifests took %d MB, want at most %d", many, used>>20, limit>>20)
	} else {
		t.Logf("%d manifests took %d MB", many, used>>20)
	}
}
