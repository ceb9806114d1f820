package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/content/artifact"
)

// evil returns a field's name in what a terminal would obey: colours and titles, by
// ASCII and by Latin-1, other directions, no width, other lines, and bytes that are
// no text.
func evil(field string) string {
	return field + "\x1b[31m\x1b]0;title\x07\r\b\x7f\u009b2J\u202e\u2066\u200b\ufeff\u2028\U000e0041\nerror[failed]: line\tcell"
}

// evilHeader is evil as far as net/http sends it.
func evilHeader(field string) string { return field + " \u009b2J\u202e\u200b\u2028\x9b" }

// hostile is a registry that answers with evil wherever it may say something. Its
// repositories are those of every artifact; the tag 1 is an artifact, 2 one that has
// a file with an evil name, 3 an index. The repository error fails, as unauthorized does,
// and what is in endless has no end.
type hostile struct {
	blobs     map[string][]byte // by digest, and manifests by tag as well
	types     map[string]string // of manifests
	referring map[string]ocispec.Descriptor
}

func newHostile() *hostile {
	h := &hostile{blobs: map[string][]byte{}, types: map[string]string{}, referring: map[string]ocispec.Descriptor{}}
	annotations := func(where string) map[string]string {
		return map[string]string{evil(where + "-key"): evil(where + "-value"), ocispec.AnnotationTitle: "aws", ocispec.AnnotationVersion: evil(where + "-version")}
	}
	config := h.blob(evil("config-type"), fmt.Appendf(nil, `{"name":%s}`, jsonOf(evil("config"))))
	layers := func(entry, title string) []ocispec.Descriptor {
		var buf bytes.Buffer
		tw := tar.NewWriter(&buf)
		tw.WriteHeader(&tar.Header{Name: entry, Typeflag: tar.TypeReg, Format: tar.FormatPAX})
		tw.Close()
		layer := h.blob(evil("layer-type"), buf.Bytes())
		layer.Annotations = map[string]string{ocispec.AnnotationTitle: title, artifact.AnnotationUnpack: "true"}
		return []ocispec.Descriptor{layer}
	}
	manifest := func(tag string, subject *ocispec.Descriptor, list []ocispec.Descriptor) ocispec.Descriptor {
		return h.manifest(ocispec.MediaTypeImageManifest, tag, ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
			ArtifactType: evil("artifact-type"), Config: config, Layers: list, Subject: subject, Annotations: annotations("annotation")})
	}
	first := manifest("1", nil, layers("aws/x", "aws"))
	manifest("2", nil, layers("aws/../"+evil("entry"), "aws"))
	manifest("4", nil, layers("aws/x", "../"+evil("title")))
	signature := manifest("", &first, layers("aws/x", evil("title")))
	signature.ArtifactType, signature.Annotations = evil("referrer-type"), annotations("referrer")
	h.referring[first.Digest.String()] = signature
	first.Platform = &ocispec.Platform{OS: evil("os"), Architecture: evil("architecture")}
	h.manifest(ocispec.MediaTypeImageIndex, "3", ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex,
		ArtifactType: evil("artifact-type"), Manifests: []ocispec.Descriptor{first}, Annotations: annotations("annotation")})
	h.raw("5", []byte(evil("not-json")))
	h.raw("6", fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%s}`, jsonOf(evil("media-type"))))
	return h
}

// jsonOf leaves in a string what JSON allows in one.
func jsonOf(s string) string {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s)
	return strings.ReplaceAll(strings.TrimSpace(buf.String()), `\u2028`, "\u2028")
}

func (h *hostile) blob(mediaType string, data []byte) ocispec.Descriptor {
	d := ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
	h.blobs[d.Digest.String()] = data
	return d
}

func (h *hostile) manifest(mediaType, tag string, m any) ocispec.Descriptor {
	data, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	d := h.raw(tag, data)
	h.types[tag], h.types[d.Digest.String()] = mediaType, mediaType
	d.MediaType = mediaType
	return d
}

func (h *hostile) raw(tag string, data []byte) ocispec.Descriptor {
	d := h.blob(ocispec.MediaTypeImageManifest, data)
	h.blobs[tag] = data
	h.types[tag], h.types[d.Digest.String()] = d.MediaType, d.MediaType
	return d
}

func (h *hostile) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Warning", `299 - "`+evilHeader("warning")+`"`)
	w.Header().Set("Server", evilHeader("server"))
	_, last, _ := strings.Cut(r.URL.Path, "/v2/")
	parts := strings.Split(last, "/")
	last = parts[len(parts)-1]
	data, known := h.blobs[last]
	switch {
	case r.URL.Path == "/v2/" || strings.Contains(r.URL.Path, "/unauthorized/"):
		w.Header().Set("WWW-Authenticate", `Basic realm="`+evilHeader("realm")+`"`)
		h.fail(w, http.StatusUnauthorized)
	case strings.Contains(r.URL.Path, "/endless/"):
		for _, err := w.Write(make([]byte, 64<<10)); err == nil; {
			_, err = w.Write(make([]byte, 64<<10))
		}
	case strings.Contains(r.URL.Path, "/error/"):
		h.fail(w, http.StatusTeapot)
	case last == "_catalog":
		h.json(w, map[string]any{"repositories": []string{"provisioning-extensions/" + evil("repository"), evil("other")}})
	case last == "list":
		h.json(w, map[string]any{"name": evil("name"), "tags": []string{"1", "3"}})
	case slices.Contains(parts, "referrers"):
		list := []ocispec.Descriptor{}
		if d, ok := h.referring[last]; ok {
			list = append(list, d)
		}
		w.Header().Set("Content-Type", ocispec.MediaTypeImageIndex)
		h.json(w, ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: list})
	case r.Method == http.MethodDelete:
		h.fail(w, http.StatusConflict)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Location", "/"+evilHeader("location"))
		w.Header().Set("Docker-Content-Digest", evilHeader("digest"))
		h.fail(w, http.StatusBadRequest)
	case !known:
		h.fail(w, http.StatusNotFound)
	default:
		w.Header().Set("Content-Type", h.types[last])
		w.Header().Set("Docker-Content-Digest", digest.FromBytes(data).String())
		w.Header().Set("Content-Length", fmt.Sprint(len(data)))
		_, _ = w.Write(data)
	}
}

func (h *hostile) json(w http.ResponseWriter, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	_, _ = w.Write(data)
}

func (h *hostile) fail(w http.ResponseWriter, status int) {
	w.WriteHeader(status)
	h.json(w, map[string]any{"errors": []map[string]any{{"code": evil("code"), "message": evil("message"), "detail": evil("detail")}}})
}

// startHostile is a script command, see script_test.go.
func startHostile(ts *testscript.TestScript, _ bool, args []string) {
	server := httptest.NewServer(newHostile())
	ts.Defer(server.Close)
	ts.Setenv(args[0], server.URL[strings.LastIndexByte(server.URL, ':')+1:])
	// The break of a line would end a string, and begins one of a log.
	text := strings.NewReplacer("\n", " ", "\r", " ").Replace(evil("evil-file"))
	for _, name := range args[1:] {
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(strings.ReplaceAll(ts.ReadFile(name), "EVIL", text)), 0o666))
	}
}

// harmless is a script command, see script_test.go.
func harmless(ts *testscript.TestScript, _ bool, args []string) {
	fields := strings.Split(args[0], ",")
	_ = ts.Exec(args[1], args[2:]...) // however it ends
	stdout, stderr := ts.ReadFile("stdout"), ts.ReadFile("stderr")
	said := stdout + stderr
	for line := range strings.Lines(said) {
		for _, r := range strings.TrimSuffix(line, "\n") {
			if r != '\t' && diag.Hidden(r) {
				ts.Fatalf("%q is in %q", r, line)
			}
		}
		if !utf8.ValidString(line) {
			ts.Fatalf("%q is no text", line)
		}
		if strings.HasPrefix(line, "error[failed]: line") {
			ts.Fatalf("a value began the line %q", line)
		}
	}
	for _, field := range fields {
		if !strings.Contains(said, field) {
			ts.Fatalf("%s is not shown", field)
		}
	}
	if i := slices.Index(args, "json"); i > 0 && stdout != "" && !json.Valid([]byte(stdout)) {
		ts.Fatalf("it is not JSON")
	}
	if slices.Contains(args, "jsonl") {
		for line := range strings.Lines(stdout) {
			if !json.Valid([]byte(line)) {
				ts.Fatalf("%q is not JSON", line)
			}
		}
	}
}
