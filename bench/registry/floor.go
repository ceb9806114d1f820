//go:build unix

package registry

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// Bare runs the floor until it is killed: an HTTP server that answers the paths
// a pull asks for with one manifest from memory and with files, and nothing
// else. What a registry adds to that is its cost.
func Bare(configFile string) error {
	text, err := os.ReadFile(configFile)
	if err != nil {
		return err
	}
	var config struct{ Addr, Dir string }
	if err := json.Unmarshal(text, &config); err != nil {
		return err
	}
	return http.ListenAndServe(config.Addr, bareHandler(config.Dir))
}

func bareHandler(dir string) http.Handler {
	body := manifest(emptyDigest, small)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v2/{$}", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("{}")) })
	mux.HandleFunc("GET /v2/bench/{repo}/manifests/{tag}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", manifestType)
		w.Write(body)
	})
	mux.HandleFunc("GET /v2/bench/{repo}/blobs/{digest}", func(w http.ResponseWriter, r *http.Request) {
		f, err := os.Open(filepath.Join(dir, r.PathValue("digest")))
		if err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		}
		defer f.Close()
		// Else the first bytes are read to guess it.
		w.Header().Set("Content-Type", "application/octet-stream")
		http.ServeContent(w, r, "", time.Time{}, f)
	})
	return mux
}

// pushFile does to the disk what a durable registry has to do at least: write,
// sync, rename, sync the directory. The bare server serves the result.
func (c *client) pushFile(b blob) error {
	from, err := os.Open(b.file)
	if err != nil {
		return err
	}
	defer from.Close()
	name := filepath.Join(c.files, b.digest)
	to, err := os.Create(name + ".part")
	if err != nil {
		return err
	}
	_, err = c.drain(from, func(p []byte) {
		if err == nil {
			_, err = to.Write(p)
		}
	})
	if err := errors.Join(err, to.Sync(), to.Close(), os.Rename(to.Name(), name)); err != nil {
		return err
	}
	dir, err := os.Open(c.files)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// hashSpeed returns MiB/s of SHA-256 on one core.
func hashSpeed() float64 {
	buf := make([]byte, small)
	h := sha256.New()
	const count = 256
	begin := time.Now()
	for range count {
		h.Write(buf)
	}
	return count / time.Since(begin).Seconds()
}
