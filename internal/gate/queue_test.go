package gate

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

func TestQueue(t *testing.T) {
	q, a, b := newQueue(1), netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("192.0.2.2/32")
	leave, err := q.enter(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for _, client := range []netip.Prefix{a, b} { // waits for the turn, for a slot
		if _, err := q.enter(gone, client); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", client, err)
		}
	}
	leave()
	if len(q.lanes) != 0 || len(q.slots) != 0 {
		t.Errorf("%d lanes and %d slots are left", len(q.lanes), len(q.slots))
	}
	leave, err = q.enter(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	leave()
}

// A login that waits too long is not a wrong one.
func TestTooManyLogins(t *testing.T) {
	hash, err := bcrypt.GenerateFromPassword([]byte("right"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "htpasswd")
	if err := os.WriteFile(name, []byte("ann:"+string(hash)), 0o600); err != nil {
		t.Fatal(err)
	}
	h, err := Auth(http.NotFoundHandler(), Credentials{Passwords: name}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for range cap(h.(*auth).queue.slots) {
		h.(*auth).queue.slots <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // as if patience had ended
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/v2/", nil)
	r.SetBasicAuth("ann", "right")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") == "" {
		t.Errorf("got %d %v", w.Code, w.Header())
	}
}
