package layout

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// closing is content whose end tells whether it is right.
type closing struct {
	io.Reader
	err    error
	closed int
}

func (c *closing) Close() error {
	c.closed++
	return c.err
}

// TestVerified: content that verifies itself is taken when its end says so, and
// leaves nothing otherwise.
func TestVerified(t *testing.T) {
	const text = "the content of a blob"
	wrong, cut := errors.New("wrong"), errors.New("cut")
	d := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayer, Digest: digest.FromString(text), Size: int64(len(text))}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	of := func(text string) func() io.Reader { return func() io.Reader { return strings.NewReader(text) } }
	for name, c := range map[string]struct {
		body func() io.Reader
		err  error // of Close
		good bool
		want error // nil for any
	}{
		"right":         {of(text), nil, true, nil},
		"wrong":         {of(text), wrong, false, wrong},
		"too short":     {of(text[:5]), nil, false, nil},
		"too long":      {of(text + text), nil, false, nil},
		"that breaks":   {func() io.Reader { return io.MultiReader(strings.NewReader(text[:5]), broken{cut}) }, nil, false, cut},
		"cut at once":   {func() io.Reader { return broken{fmt.Errorf("get: %w", io.EOF)} }, nil, false, io.EOF},
		"wrong at once": {of(""), wrong, false, wrong},
	} {
		for _, format := range []Format{OCIDir, OCITar} {
			path := filepath.Join(t.TempDir(), "out")
			w, err := Create(path, format)
			if err != nil {
				t.Fatal(err)
			}
			body := &closing{Reader: c.body(), err: c.err}
			err = w.PutBlob(t.Context(), d, func(int64) (io.ReadCloser, error) { return Verified{body}, nil })
			if (err == nil) != c.good || c.want != nil && !errors.Is(err, c.want) || body.closed != 1 {
				t.Errorf("%s: %v, closed %d times", name, err, body.closed)
			}
			if has, err := w.Has(t.Context(), d); has != c.good || err != nil {
				t.Errorf("%s: there: %v, %v", name, has, err)
			}
			w.Discard()
		}
	}
	w, err := Create(filepath.Join(t.TempDir(), "out"), OCIDir)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Discard()
	err = w.PutBlob(t.Context(), d, func(int64) (io.ReadCloser, error) {
		f, err := os.Open(file)
		return Verified{f}, err
	})
	if has, bad := w.Has(t.Context(), d); err != nil || !has || bad != nil {
		t.Errorf("a file: %v, %v, %v", err, has, bad)
	}
}

// broken is a reader that fails.
type broken struct{ error }

func (b broken) Read([]byte) (int, error) { return 0, b.error }
