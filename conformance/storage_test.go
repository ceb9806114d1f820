package conformance

import (
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
)

// blobRoot is where the blobs are in distribution's layout.
const blobRoot = "docker/registry/v2/blobs"

// storage is a place for a registry to keep its content, empty at first.
type storage interface {
	// config is the registry's storage_config.
	config() map[string]any
	// reference is the same for CNCF distribution.
	reference() map[string]any
	// blobs lists what is stored below blobRoot, with sizes.
	blobs(t testing.TB) map[digest.Digest]int64
}

// storages are the kinds of storage that each suite runs on.
var storages = []struct {
	name string
	new  func(testing.TB) storage
}{
	{"filesystem", func(t testing.TB) storage { return &filesystem{root: t.TempDir()} }},
	{"s3", func(t testing.TB) storage { return newS3(t) }},
	{"azure", func(t testing.TB) storage { return newAzure(t) }},
}

// filesystem is a directory.
type filesystem struct{ root string }

func (f *filesystem) config() map[string]any {
	return map[string]any{"backend": "filesystem", "rootdirectory": f.root}
}

func (f *filesystem) reference() map[string]any {
	return map[string]any{"filesystem": map[string]any{"rootdirectory": f.root}}
}

func (f *filesystem) blobs(t testing.TB) map[digest.Digest]int64 {
	t.Helper()
	return blobsBelow(t, f.root)
}

// blobFile returns where a blob is kept.
func (f *filesystem) blobFile(d digest.Digest) string {
	return filepath.Join(f.root, blobRoot, d.Algorithm().String(), d.Encoded()[:2], d.Encoded(), "data")
}

func blobsBelow(t testing.TB, root string) map[digest.Digest]int64 {
	t.Helper()
	found := map[digest.Digest]int64{}
	err := filepath.WalkDir(filepath.Join(root, blobRoot), func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if d, ok := blobName(filepath.ToSlash(name)); ok {
			found[d] = info.Size()
		}
		return nil
	})
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return found
}

// blobName takes the digest from …/sha256/ab/<hex>/data.
func blobName(path string) (digest.Digest, bool) {
	parts := strings.Split(path, "/")
	if len(parts) < 4 || parts[len(parts)-1] != "data" {
		return "", false
	}
	return digest.NewDigestFromEncoded(digest.Algorithm(parts[len(parts)-4]), parts[len(parts)-2]), true
}

// Names and passwords of the storage services.
const (
	bucket    = "berth"
	accessKey = "conformance"
	secretKey = "conformance-secret"
)

// s3 is a bucket of versitygw, which keeps objects as files: its user extended
// attributes, for which some file systems have no place, go to another directory.
type s3 struct {
	t           testing.TB
	dir         string
	port        int
	credentials string
	gateway     *process
}

func newS3(t testing.TB) *s3 {
	t.Helper()
	s := &s3{t: t, dir: t.TempDir(), port: freePort(t)}
	s.credentials = filepath.Join(s.dir, "credentials")
	for _, name := range []string{"buckets/" + bucket, "attributes"} {
		if err := os.MkdirAll(filepath.Join(s.dir, name), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	text := fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n", accessKey, secretKey)
	if err := os.WriteFile(s.credentials, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s.start()
	t.Cleanup(func() { s.stop() })
	return s
}

func (s *s3) address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

func (s *s3) start() {
	s.t.Helper()
	var err error
	s.gateway, err = launch(filepath.Join(s.dir, "log"), program(s.t, "versitygw"),
		"--access", accessKey, "--secret", secretKey, "--port", s.address(), "--quiet", "--keep-alive",
		"posix", "--sidecar", filepath.Join(s.dir, "attributes"), filepath.Join(s.dir, "buckets"))
	if err == nil {
		err = s.gateway.waitFor("versitygw", func() bool { return listens(s.address()) })
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *s3) stop() { s.gateway.kill() }

func (s *s3) config() map[string]any {
	return map[string]any{"backend": "s3", "s3": map[string]any{
		"bucket": bucket, "region": "us-east-1", "endpoint": s.address(),
		"force_path_style": true, "secure": false, "credentials_path": s.credentials,
	}}
}

func (s *s3) reference() map[string]any {
	return map[string]any{"s3": map[string]any{
		"bucket": bucket, "region": "us-east-1", "regionendpoint": "http://" + s.address(),
		"forcepathstyle": true, "secure": false, "accesskey": accessKey, "secretkey": secretKey,
	}, "redirect": map[string]any{"disable": true}}
}

func (s *s3) blobs(t testing.TB) map[digest.Digest]int64 {
	t.Helper()
	return blobsBelow(t, filepath.Join(s.dir, "buckets", bucket))
}

func listens(addr string) bool {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}
