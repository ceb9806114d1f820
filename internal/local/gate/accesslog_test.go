package gate_test

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/berth-oci/berth/internal/local/gate"
)

func TestAccessLog(t *testing.T) {
	var out bytes.Buffer
	h := gate.AccessLog(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, "gone")
	}), slog.New(slog.NewTextHandler(&out, nil)))
	req := httptest.NewRequest(http.MethodGet, "/v2/a/blobs/b?token=hidden", nil)
	req.SetBasicAuth("user", "hidden")
	h.ServeHTTP(httptest.NewRecorder(), req)
	line := out.String()
	for _, want := range []string{"method=GET", "path=/v2/a/blobs/b", "status=404", "bytes=4"} {
		if !strings.Contains(line, want) {
			t.Errorf("%q lacks %s", line, want)
		}
	}
	if strings.Contains(line, "hidden") {
		t.Errorf("%q tells a secret", line)
	}
}
