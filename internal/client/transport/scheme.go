package transport

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
)

// errWantsTLS is the error of plain HTTP to a server that speaks TLS.
var errWantsTLS = errors.New("the server speaks https, not plain http")

// schemes recognizes servers that speak TLS where plain HTTP was tried. HTTP has
// no word for that: servers send a TLS alert, or an answer of 400 that says so.
// The reverse is http.ErrSchemeMismatch.
type schemes struct{ next http.RoundTripper }

func (s schemes) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := s.next.RoundTrip(req)
	if req.URL.Scheme != "http" {
		return resp, err
	}
	if err != nil {
		if strings.Contains(err.Error(), `malformed HTTP response "\x15\x03`) { // record type and version, RFC 8446, section 5.1
			return nil, errWantsTLS
		}
		return nil, err
	}
	if resp.StatusCode != http.StatusBadRequest {
		return resp, nil
	}
	const most = 2 << 10
	head, _ := io.ReadAll(io.LimitReader(resp.Body, most)) // what fails fails again for who reads on
	text := strings.ToLower(string(head))
	for _, words := range []string{"http request to an https server", "plain http request was sent to https port", "plain http to an ssl-enabled server port"} {
		if strings.Contains(text, words) { // Go; nginx; Apache
			resp.Body.Close()
			return nil, errWantsTLS
		}
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(head), resp.Body), resp.Body}
	return resp, nil
}
