package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/berth-oci/berth/internal/content/cache"
)

// cached is a script command: it puts a file into the cache in a directory, as a
// tag leads to it unless that is left out.
func cached(ts *testscript.TestScript, _ bool, args []string) {
	c, err := cache.Open(ts.MkAbs(args[0]), nil)
	ts.Check(err)
	defer c.Close()
	content := []byte(ts.ReadFile(args[2]))
	d := ocispec.Descriptor{Digest: digest.FromBytes(content), Size: int64(len(content))}
	ts.Check(c.Put(context.Background(), d, bytes.NewReader(content)))
	if len(args) > 3 {
		ref := cache.Reference{Origin: cache.Origin{Scheme: "http"}, Host: "127.0.0.1:5000", Repository: "extensions/" + args[3], Tag: "v1"}
		ts.Check(c.SetTag(ref, cache.TagEntry{Descriptor: d, Checked: time.Now()}))
	}
	ts.Setenv(args[1], d.Digest.String())
	ts.Setenv(args[1]+"_PATH", filepath.Join(ts.MkAbs(args[0]), "blobs", "sha256", d.Digest.Encoded()[:2], d.Digest.Encoded()))
}

// olderCache is a script command: it names what the cache in a directory has by
// digests as an older berth did.
func olderCache(ts *testscript.TestScript, _ bool, args []string) {
	files, err := filepath.Glob(filepath.Join(ts.MkAbs(args[0]), "tags", "*.json"))
	ts.Check(err)
	renamed := 0
	for _, file := range files {
		var ref cache.Reference
		ts.Check(json.Unmarshal([]byte(ts.ReadFile(file)), &ref))
		if ref.Origin != (cache.Origin{}) || digest.Digest(ref.Tag).Validate() != nil {
			continue
		}
		name := digest.FromString(ref.Host + "/" + ref.Repository + ":" + ref.Tag).Encoded()
		ts.Check(os.Rename(file, filepath.Join(filepath.Dir(file), name+".json")))
		renamed++
	}
	if renamed == 0 {
		ts.Fatalf("nothing was cached by a digest")
	}
}

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{
		"1": 1, "12B": 12, "1.5k": 1536, "2KB": 2000, "500MiB": 500 << 20, "10GB": 1e10, "3 g": 3 << 30, "1TiB": 1 << 40,
		"": 0, "0": 0, "-1": 0, "MiB": 0, "1XB": 0, "1PB": 0, "1ib": 0, "1e30": 0, "nan": 0, "0x10": 0, "1..2": 0, "9223372036854775807": 0,
	} {
		if got, err := parseSize("max-size", text); got != want || (err == nil) != (want > 0) {
			t.Errorf("%q is %d, %v, want %d", text, got, err, want)
		}
	}
}

func TestParseAge(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"36h": 36 * time.Hour, "14d": 14 * 24 * time.Hour, "0.5d": 12 * time.Hour, "1h30m": 90 * time.Minute,
		"": 0, "d": 0, "14": 0, "0s": 0, "-3d": 0, "1w": 0, "nand": 0,
	} {
		if got, err := parseAge("older-than", text); got != want || (err == nil) != (want > 0) {
			t.Errorf("%q is %s, %v, want %s", text, got, err, want)
		}
	}
	if got, err := parseAge("older-than", "1e300d"); got <= 0 || err != nil {
		t.Errorf("a very long time is %s, %v", got, err)
	}
}
