package transport

import (
	"bytes"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/berth-oci/berth/internal/config/resolve"
)

// overHTTP2 serves a handler over HTTP/2, or hands connections to speak instead, and
// returns a client of it.
func overHTTP2(t *testing.T, h http.HandlerFunc, speak func(net.Conn)) (*Client, *httptest.Server) {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	server.EnableHTTP2 = true
	if speak != nil {
		server.Config.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){
			http2.NextProtoTLS: func(_ *http.Server, conn *tls.Conn, _ http.Handler) { speak(conn) },
		}
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	target := targetOf(t, server)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	block := &pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}
	if err := os.WriteFile(ca, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	target.Client.CACerts = []resolve.PEMFile{{Attr: "ca_cert_path", Path: ca}}
	c, err := New(target)
	if err != nil {
		t.Fatal(err)
	}
	return c, server
}

// ask sends a GET and reads the answer.
func ask(t *testing.T, c *Client, address string) error {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address+"/v2/", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.ProtoMajor != 2 {
		t.Errorf("over %s", resp.Proto)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

// TestResetStream: a stream that the other side ends may go through the next time.
func TestResetStream(t *testing.T) {
	var n atomic.Int32
	c, server := overHTTP2(t, func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1) <= 2 {
			panic(http.ErrAbortHandler)
		}
	}, nil)
	if err := ask(t, c, server.URL); err != nil || n.Load() != 3 {
		t.Errorf("%v after %d requests", err, n.Load())
	}
	// In the middle of an answer only the caller can ask again.
	c, server = overHTTP2(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write(make([]byte, 100))
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}, nil)
	err := ask(t, c, server.URL)
	if _, ok := errors.AsType[http2.StreamError](err); !ok || !Transient(err) {
		t.Errorf("%v passes: %v", err, Transient(err))
	}
}

// TestGoAway: a server that goes away in the middle of an answer, and one that does
// before it has read all of a request.
func TestGoAway(t *testing.T) {
	for name, c := range map[string]struct {
		code http2.ErrCode
		last uint32 // stream that was served
		body io.Reader
	}{
		"in the answer":  {http2.ErrCodeInternal, 1, nil},
		"in the request": {http2.ErrCodeNo, 0, io.MultiReader(strings.NewReader("sent once"))},
	} {
		t.Run(name, func(t *testing.T) {
			client, server := overHTTP2(t, nil, func(conn net.Conn) { goAway(conn, c.code, c.last) })
			method := http.MethodGet
			if c.body != nil {
				method = http.MethodPost
			}
			req, err := http.NewRequestWithContext(t.Context(), method, server.URL+"/v2/", c.body)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := client.Do(req)
			if err == nil {
				_, err = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
			if err == nil || !strings.Contains(err.Error(), "GOAWAY") || !Transient(err) {
				t.Errorf("%v passes: %v", err, Transient(err))
			}
		})
	}
}

// goAway speaks as much HTTP/2 as it takes to begin an answer, and goes.
func goAway(conn net.Conn, code http2.ErrCode, last uint32) {
	defer conn.Close()
	if _, err := io.ReadFull(conn, make([]byte, len(http2.ClientPreface))); err != nil {
		return
	}
	f := http2.NewFramer(conn, conn)
	_ = f.WriteSettings()
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			return
		}
		switch frame := frame.(type) {
		case *http2.HeadersFrame:
			if last == 0 {
				continue // until there is content
			}
			var header bytes.Buffer
			_ = hpack.NewEncoder(&header).WriteField(hpack.HeaderField{Name: ":status", Value: "200"})
			_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: frame.StreamID, BlockFragment: header.Bytes(), EndHeaders: true})
			_ = f.WriteData(frame.StreamID, false, []byte("half"))
		case *http2.DataFrame:
		default:
			continue
		}
		_ = f.WriteGoAway(last, code, nil)
		if tcp, ok := conn.(*tls.Conn); ok {
			_ = tcp.CloseWrite()
		}
	}
}
