package embedded

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/berth-oci/berth/internal/local/engine"
	"github.com/berth-oci/berth/internal/local/gate"
)

// guarded serves a handler as the registry does, for who has the token "word".
func guarded(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	tokens := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(tokens, []byte("word\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	chain, err := gate.New(h, gate.Options{Credentials: gate.Credentials{Tokens: tokens}})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(nil)
	s.Config = newHTTP(chain, engine.Timeouts{Idle: time.Minute}, slog.New(slog.DiscardHandler))
	t.Cleanup(s.Close)
	return s
}

// session is a client's side of HTTP/2, frame by frame.
type session struct {
	t        *testing.T
	conn     net.Conn
	framer   *http2.Framer
	encoder  *hpack.Encoder
	block    bytes.Buffer
	settings map[http2.SettingID]uint32
	next     uint32
}

func (s *session) begin() {
	s.t.Helper()
	_ = s.conn.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := io.WriteString(s.conn, http2.ClientPreface); err != nil {
		s.t.Fatal(err)
	}
	s.framer = http2.NewFramer(s.conn, s.conn)
	s.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	s.encoder = hpack.NewEncoder(&s.block)
	s.settings, s.next = map[http2.SettingID]uint32{}, 1
	if err := s.framer.WriteSettings(); err != nil {
		s.t.Fatal(err)
	}
}

// dial begins a session.
func dial(t *testing.T, server *httptest.Server) *session {
	t.Helper()
	conn, err := tls.Dial("tcp", server.Listener.Addr().String(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	s := &session{t: t, conn: conn}
	s.begin()
	return s
}

// open sends the headers of a request, given as names and values.
func (s *session) open(fields ...string) (stream uint32) {
	s.block.Reset()
	for i := 0; i < len(fields); i += 2 {
		_ = s.encoder.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	stream, s.next = s.next, s.next+2
	const most = 16 << 10 // of a frame
	rest := s.block.Bytes()
	first := rest[:min(most, len(rest))]
	rest = rest[len(first):]
	err := s.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: first, EndStream: true, EndHeaders: len(rest) == 0})
	for err == nil && len(rest) > 0 {
		piece := rest[:min(most, len(rest))]
		rest = rest[len(piece):]
		err = s.framer.WriteContinuation(stream, len(rest) == 0, piece)
	}
	if err != nil {
		s.t.Logf("request: %v", err) // the other side has enough of it
	}
	return stream
}

// answer returns the status that a request got, or how it was refused.
func (s *session) answer(stream uint32) string {
	for {
		frame, err := s.framer.ReadFrame()
		if err != nil {
			return "closed"
		}
		switch f := frame.(type) {
		case *http2.SettingsFrame:
			_ = f.ForeachSetting(func(v http2.Setting) error { s.settings[v.ID] = v.Val; return nil })
		case *http2.MetaHeadersFrame:
			if f.StreamID == stream {
				return f.PseudoValue("status")
			}
		case *http2.RSTStreamFrame:
			if f.StreamID == stream {
				return f.ErrCode.String()
			}
		case *http2.GoAwayFrame:
			return "gone: " + f.ErrCode.String()
		}
	}
}

// What is no request of HTTP/2, or means another one to whoever writes it down in
// HTTP/1, reaches nobody.
func TestHTTP2Requests(t *testing.T) {
	var reached atomic.Int32
	server := guarded(t, func(http.ResponseWriter, *http.Request) { reached.Add(1) })
	server.EnableHTTP2 = true
	server.StartTLS()
	get := []string{":method", "GET", ":scheme", "https", ":authority", "r.example", ":path", "/v2/"}
	with := func(fields ...string) []string {
		return append(append(append([]string{}, get...), "authorization", "Bearer word"), fields...)
	}
	var many []string
	for i := range 2 * headerBytes >> 10 {
		many = append(many, fmt.Sprint("x-many-", i), strings.Repeat("x", 1<<10))
	}
	for name, test := range map[string]struct {
		fields  []string
		want    string // one of these
		reaches int32
	}{
		"with the token":           {with(), "200", 1},
		"without":                  {get, "401", 0},
		"twice":                    {with("authorization", "Bearer word"), "401", 0},
		"a user and the token":     {with("authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("a:word"))), "401", 0},
		"connection":               {with("connection", "close"), "400 PROTOCOL_ERROR", 0},
		"connection authorization": {with("connection", "authorization"), "400 PROTOCOL_ERROR", 0},
		"transfer-encoding":        {with("transfer-encoding", "chunked"), "400 PROTOCOL_ERROR", 0},
		"upgrade":                  {with("upgrade", "websocket"), "400 PROTOCOL_ERROR", 0},
		"te":                       {with("te", "gzip"), "400 PROTOCOL_ERROR", 0},
		"upper case":               {with("X-Upper", "x"), "PROTOCOL_ERROR", 0},
		"lines in a value":         {with("x-lines", "a\r\nb: c"), "PROTOCOL_ERROR", 0},
		"space in a name":          {with("x y", "z"), "PROTOCOL_ERROR", 0},
		"pseudo header at the end": {with(":path", "/v2/other"), "PROTOCOL_ERROR", 0},
		"relative path":            {[]string{":method", "GET", ":scheme", "https", ":authority", "r.example", ":path", "v2/", "authorization", "Bearer word"}, "400 PROTOCOL_ERROR", 0},
		"dots":                     {[]string{":method", "GET", ":scheme", "https", ":authority", "r.example", ":path", "/v2/../x", "authorization", "Bearer word"}, "400", 0},
		"CONNECT":                  {[]string{":method", "CONNECT", ":authority", "r.example:443", "authorization", "Bearer word"}, "400", 0},
		"extended CONNECT":         {append([]string{":method", "CONNECT", ":protocol", "websocket"}, with()[2:]...), "400 PROTOCOL_ERROR", 0},
		"many headers":             {with(many...), "431 PROTOCOL_ERROR", 0},
	} {
		t.Run(name, func(t *testing.T) {
			reached.Store(0)
			s := dial(t, server)
			got := s.answer(s.open(test.fields...))
			if !strings.Contains(" "+test.want+" ", " "+strings.TrimPrefix(got, "gone: ")+" ") || reached.Load() != test.reaches {
				t.Errorf("it gets %s and reaches %d", got, reached.Load())
			}
			if s.settings[http2.SettingEnableConnectProtocol] != 0 {
				t.Error("the server offers extended CONNECT")
			}
		})
	}
}

// Who opens requests and takes them back makes the registry work on a bounded
// number of them.
func TestHTTP2Resets(t *testing.T) {
	var now, most atomic.Int32
	open := make(chan struct{})
	server := guarded(t, func(http.ResponseWriter, *http.Request) {
		for n := now.Add(1); ; {
			if old := most.Load(); n <= old || most.CompareAndSwap(old, n) {
				break
			}
		}
		<-open
		now.Add(-1)
	})
	server.EnableHTTP2 = true
	server.StartTLS()
	s := dial(t, server)
	for range 2000 {
		stream := s.open(":method", "GET", ":scheme", "https", ":authority", "r.example", ":path", "/v2/", "authorization", "Bearer word")
		if s.framer.WriteRSTStream(stream, http2.ErrCodeCancel) != nil {
			break
		}
	}
	got := s.answer(s.open(":method", "GET", ":scheme", "https", ":authority", "r.example", ":path", "/v2/"))
	limit := s.settings[http2.SettingMaxConcurrentStreams]
	if limit == 0 || limit > 250 || uint32(most.Load()) > limit || got == "200" {
		t.Errorf("%d at a time, of %d allowed; the last gets %s", most.Load(), limit, got)
	}
	close(open)
}

// Messages of HTTP/1 that two readers may end at different places.
func TestHTTP1Framing(t *testing.T) {
	var reached atomic.Int32
	server := guarded(t, func(_ http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/v2/smuggled") {
			reached.Add(1)
		}
	})
	server.Start()
	const smuggled = "GET /v2/smuggled HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer word\r\n\r\n"
	for name, headers := range map[string]string{
		"two lengths":             fmt.Sprintf("Content-Length: 0\r\nContent-Length: %d\r\n", len(smuggled)),
		"lengths in one":          fmt.Sprintf("Content-Length: 0, %d\r\n", len(smuggled)),
		"a signed length":         "Content-Length: +0\r\n",
		"chunked, with space":     "Transfer-Encoding : chunked\r\n",
		"chunked, another":        "Transfer-Encoding: xchunked\r\n",
		"chunked twice":           "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
		"a folded line":           "X-Fold: a\r\n b\r\nTransfer-Encoding: identity\r\n",
		"two hosts":               "Host: y\r\n",
		"a bare line feed inside": "X-Bare: a\rContent-Length: 0\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			reached.Store(0)
			conn, err := net.Dial("tcp", server.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
			if _, err := io.WriteString(conn, "POST /v2/ HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer word\r\n"+headers+"\r\n"+smuggled); err != nil {
				t.Fatal(err)
			}
			answer, err := io.ReadAll(conn)
			if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && len(answer) == 0 {
				t.Fatal(err)
			}
			if status := string(answer); !strings.HasPrefix(status, "HTTP/1.1 400") && !strings.HasPrefix(status, "HTTP/1.1 501") || reached.Load() != 0 {
				t.Errorf("it gets %.100q, and what comes behind is served %d times", status, reached.Load())
			}
		})
	}
}
