// Package testtool owns what tests share: finding real programs, and a real
// registry inside the test process. Only tests import it.
package testtool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"testing"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/inmemory"
	"github.com/sirupsen/logrus"
)

// Path returns the path of a program. Without it the test is skipped, or fails
// where BERTH_TEST_NO_SKIP is 1, as in CI.
func Path(t testing.TB, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err == nil {
		return path
	}
	Skip(t, program+" is not installed")
	return ""
}

// Skip ends a test that cannot run on this machine. Where BERTH_TEST_NO_SKIP is
// 1, as in CI, it fails.
func Skip(t testing.TB, why string) {
	t.Helper()
	if err := Skipping(t.Name(), why); err != nil {
		t.Fatal(err)
	}
	t.Skip(why)
}

// Skipping notes that a test is skipped in the file that BERTH_TEST_SKIPS names, which
// make test and make check show in the end: go test says nothing of it. It fails where that
// cannot be, and where BERTH_TEST_NO_SKIP is 1.
func Skipping(test, why string) error {
	if os.Getenv("BERTH_TEST_NO_SKIP") == "1" {
		return fmt.Errorf("%s, and BERTH_TEST_NO_SKIP=1", why)
	}
	name := os.Getenv("BERTH_TEST_SKIPS")
	if name == "" {
		return nil
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "%s: %s\n", test, why)
	return errors.Join(err, f.Close())
}

// Registry returns the handler of a CNCF distribution that keeps everything in
// memory until ctx ends.
func Registry(ctx context.Context) http.Handler {
	return registryWith(ctx, configuration.Storage{"inmemory": {}})
}

// RegistryIn is Registry with its content in a directory, for much of it: memory
// copies all of a blob for each part that is added.
func RegistryIn(ctx context.Context, dir string) http.Handler {
	return registryWith(ctx, configuration.Storage{"filesystem": {"rootdirectory": dir}})
}

func registryWith(ctx context.Context, storage configuration.Storage) http.Handler {
	logrus.SetOutput(io.Discard)
	storage["delete"] = configuration.Parameters{"enabled": true}
	config := &configuration.Configuration{Storage: storage}
	config.Log.AccessLog.Disabled = true
	config.Catalog.MaxEntries = 1000
	return handlers.NewApp(ctx, config)
}

// Serve serves a handler on a loopback port until the test ends.
func Serve(t testing.TB, h http.Handler) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server
}
