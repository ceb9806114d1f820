package storage_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/distribution/distribution/v3/configuration"
	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"

	"github.com/berth-oci/berth/internal/base/testtool"
	"github.com/berth-oci/berth/internal/local/embedded/storage"
)

func TestOpenRefused(t *testing.T) {
	t.Parallel()
	s3, azure := testtool.S3(t), testtool.Azure(t)
	s3With := func(key string, value any) configuration.Storage {
		config := s3Config(s3, "")
		config["s3"][key] = value
		return config
	}
	azureWith := func(key string, value any) configuration.Storage {
		config := azureConfig(azure, "")
		config["azure"][key] = value
		return config
	}
	for name, test := range map[string]struct {
		config configuration.Storage
		want   string
	}{
		"none":            {configuration.Storage{"delete": {"enabled": true}}, "names no storage driver"},
		"two":             {configuration.Storage{"s3": {}, "azure": {}}, "azure and s3: keep one"},
		"unknown":         {configuration.Storage{"floppy": {}}, "use filesystem, s3 or azure"},
		"a file as root":  {configuration.Storage{"filesystem": {"rootdirectory": "/dev/null"}}, "rootdirectory"},
		"threads":         {configuration.Storage{"filesystem": {"rootdirectory": t.TempDir(), "maxthreads": "many"}}, "maxthreads"},
		"s3 bucket":       {s3With("bucket", "nothing-there"), "create it, or correct storage.s3.bucket"},
		"s3 no bucket":    {s3With("bucket", ""), "no bucket"},
		"s3 secret":       {s3With("secretkey", "wrong"), "correct storage.s3.secretkey"},
		"s3 no region":    {s3With("regionendpoint", ""), "no region"},
		"s3 chunk":        {s3With("chunksize", 1), "chunksize"},
		"azure container": {azureWith("container", "nothing-there"), "create it, or correct storage.azure.container"},
		"azure key":       {azureWith("accountkey", "d3Jvbmc="), "correct storage.azure.accountkey"},
		"azure bad key":   {azureWith("accountkey", "not base64!"), "storage.azure"},
		"azure type":      {azureWith("credentials", map[string]any{"type": "none"}), "credentials type"},
		"azure retries":   {azureWith("max_retries", -1), "max_retries"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := storage.Open(t.Context(), test.config)
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") || errors.Is(err, storage.ErrUnavailable) {
				t.Errorf("%v, want %q", err, test.want)
			}
		})
	}
}

// Files written by the configs of real registries have keys of every type.
func TestOpenParameters(t *testing.T) {
	s3, azure := testtool.S3(t), testtool.Azure(t)
	for name, config := range map[string]configuration.Storage{
		"filesystem": {"filesystem": {"rootdirectory": t.TempDir(), "maxthreads": 100}, "delete": {"enabled": true}},
		"s3": {"s3aws": {
			"regionendpoint": strings.TrimPrefix(s3.Endpoint, "http://"), "bucket": s3.Bucket, "region": "us-east-1",
			"accesskey": s3.Key, "secretkey": s3.Secret, "secure": false, "skipverify": true, "forcepathstyle": "true",
			"chunksize": 6 << 20, "encrypt": false, "storageclass": "STANDARD", "rootdirectory": "with/slash/",
		}},
		"azure": {"azure": {
			"serviceurl": azure.Endpoint, "container": azure.Container, "accountname": azure.Account, "accountkey": azure.Key,
			"credentials": map[any]any{"type": "shared_key"}, "rootdirectory": "root",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := storage.Open(t.Context(), config)
			if err != nil {
				t.Fatal(err)
			}
			put(t, d, "/docker/registry/file", "x")
			if list, err := d.List(t.Context(), "/docker/registry"); err != nil || len(list) != 1 || list[0] != "/docker/registry/file" {
				t.Errorf("%v, %v", list, err)
			}
		})
	}
}

// bound is how long a call may take when nothing listens.
const bound = 20 * time.Second

// A service that is down is told from other faults, soon, and comes back by itself.
func TestOutage(t *testing.T) {
	t.Parallel()
	s3, azure := testtool.S3(t), testtool.Azure(t)
	for name, place := range map[string]struct {
		config  configuration.Storage
		service *testtool.Service
	}{
		"s3":    {s3Config(s3, ""), s3.Service},
		"azure": {azureConfig(azure, ""), azure.Service},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, err := storage.Open(t.Context(), place.config)
			if err != nil {
				t.Fatal(err)
			}
			put(t, d, "/dir/data", "x")
			put(t, d, "/dir/large", string(random(40<<20))) // more than sockets hold
			r, err := d.Reader(t.Context(), "/dir/large", 0)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			w := writer(t, d, "/dir/upload", false)
			if _, err := io.WriteString(w, "before"); err != nil {
				t.Fatal(err)
			}
			place.service.Stop()
			if n, err := io.Copy(io.Discard, r); !errors.Is(err, storage.ErrUnavailable) {
				t.Errorf("cut after %d bytes: %v", n, err)
			}
			var down sync.WaitGroup
			for method, call := range calls(t, d, w) {
				down.Go(func() { // t.Run would take two at a time, on two processors
					start := time.Now()
					if err := call(); !errors.Is(err, storage.ErrUnavailable) {
						t.Errorf("%s: %v", method, err)
					}
					if took := time.Since(start); took > bound {
						t.Errorf("%s took %v", method, took)
					}
				})
			}
			down.Wait()
			place.service.Start(t)
			if got := get(t, d, "/dir/data"); got != "x" {
				t.Errorf("back again is %q", got)
			}
			put(t, d, "/dir/data", "y")
		})
	}
}

// calls are all that can be asked of a driver, and the writer that was open.
func calls(t *testing.T, d storagedriver.StorageDriver, w storagedriver.FileWriter) map[string]func() error {
	ctx := t.Context()
	return map[string]func() error{
		"GetContent": func() error { _, err := d.GetContent(ctx, "/dir/data"); return err },
		"PutContent": func() error { return d.PutContent(ctx, "/dir/data", []byte("z")) },
		"Reader":     func() error { _, err := d.Reader(ctx, "/dir/data", 0); return err },
		"Writer":     func() error { _, err := d.Writer(ctx, "/dir/new", false); return err },
		"resume":     func() error { _, err := d.Writer(ctx, "/dir/old", true); return err },
		"Stat":       func() error { _, err := d.Stat(ctx, "/dir/data"); return err },
		"List":       func() error { _, err := d.List(ctx, "/dir"); return err },
		"Move":       func() error { return d.Move(ctx, "/dir/data", "/dir/moved") },
		"Delete":     func() error { return d.Delete(ctx, "/dir/data") },
		"Walk":       func() error { return d.Walk(ctx, "/dir", func(storagedriver.FileInfo) error { return nil }) },
		"Close":      w.Close,
	}
}

// A service that takes connections and says nothing is given up on.
func TestSilent(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	silent := "http://" + listener.Addr().String()
	var opens sync.WaitGroup
	for name, config := range map[string]configuration.Storage{
		"s3":    s3Config(&testtool.S3Service{Endpoint: silent, Bucket: "bucket", Key: "access", Secret: "secret"}, ""),
		"azure": azureConfig(&testtool.AzureService{Endpoint: silent, Container: "container", Account: "account", Key: "c2VjcmV0"}, ""),
	} {
		opens.Go(func() {
			start := time.Now()
			if _, err := storage.Open(t.Context(), config); !errors.Is(err, storage.ErrUnavailable) {
				t.Errorf("%s: %v", name, err)
			}
			if took := time.Since(start); took > 35*time.Second {
				t.Errorf("%s took %v", name, took)
			}
		})
	}
	opens.Wait()
}

// What was interrupted before its content could be reached by any path is ended,
// when it is old enough.
func TestPurgeMultiparts(t *testing.T) {
	t.Parallel()
	d, err := storage.Open(t.Context(), s3Config(testtool.S3(t), "/root"))
	if err != nil {
		t.Fatal(err)
	}
	const uploads = 3
	for i := range uploads {
		w := writer(t, d, fmt.Sprintf("/docker/registry/v2/upload/%d", i), false)
		if _, err := io.WriteString(w, "x"); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct {
		before time.Time
		want   int
	}{{time.Now().Add(-time.Hour), 0}, {time.Now().Add(time.Hour), uploads}, {time.Now().Add(time.Hour), 0}} {
		if n, err := storage.PurgeMultiparts(t.Context(), d, step.before); n != step.want || err != nil {
			t.Errorf("ended %d, want %d: %v", n, step.want, err)
		}
	}
	if _, err := d.Writer(t.Context(), "/docker/registry/v2/upload/0", true); !errors.As(err, new(storagedriver.PathNotFoundError)) {
		t.Errorf("resume: %v", err)
	}
	if n, err := storage.PurgeMultiparts(t.Context(), newFilesystem(t, t.TempDir()), time.Now()); n != 0 || err != nil {
		t.Errorf("a directory has %d: %v", n, err)
	}
}
