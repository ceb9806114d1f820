package gate_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/berth-oci/berth/internal/local/gate"
)

func TestRecover(t *testing.T) {
	log := new(safeBuffer)
	s := start(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "1000")
		w.Header().Set("Docker-Content-Digest", "sha256:aa")
		switch r.URL.Path {
		case "/before":
			panic("oops")
		case "/within":
			_, _ = io.WriteString(w, "begun")
			panic("oops")
		case "/abort":
			panic(http.ErrAbortHandler)
		}
	}, gate.Options{Log: logTo(log)})

	resp, err := s.Client().Get(s.URL + "/before")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil || resp.StatusCode != 500 || !strings.Contains(string(body), `"code":"UNKNOWN"`) {
		t.Errorf("got %d %s, %v", resp.StatusCode, body, err)
	}
	if d := resp.Header.Get("Docker-Content-Digest"); d != "" {
		t.Errorf("the error is said to be %s", d)
	}
	log.wait(t, "recover_test.go")
	log.wait(t, "path=/before status=500")

	for _, path := range []string{"/within", "/abort"} {
		resp, err := s.Client().Get(s.URL + path)
		if err == nil {
			_, err = io.ReadAll(resp.Body)
			resp.Body.Close()
		}
		if err == nil {
			t.Errorf("%s answers as if nothing had happened", path)
		}
	}
	log.wait(t, "path=/abort status=0")
	if strings.Contains(log.String(), http.ErrAbortHandler.Error()) {
		t.Errorf("an abort is no fault:\n%s", log)
	}
}
