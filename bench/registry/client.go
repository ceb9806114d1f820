//go:build unix

package registry

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
)

// client is one client with one connection. It shares the processor with the
// server, so it does as little as it can: bodies to push go from file to socket
// in the kernel, what is pulled is read into one large buffer and forgotten.
// It is for one goroutine at a time.
type client struct {
	ctx    context.Context
	http   *http.Client
	url    string
	buf    []byte
	patch  bool
	verify bool
	files  string // where a client of the floor writes to; "" for a registry
}

// clients returns n clients of a server, each connected.
func (s *session) clients(ctx context.Context, v *server, n int) ([]*client, error) {
	all := make([]*client, n)
	for i := range all {
		c := &client{ctx: ctx, url: v.url, buf: make([]byte, 256<<10), patch: s.Patch, verify: s.Verify}
		if v.bare {
			c.files = v.dir
		}
		c.http = &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1, MaxIdleConnsPerHost: 1, DisableCompression: true}}
		if err := c.get("/v2/", 0); err != nil {
			return nil, err
		}
		all[i] = c
	}
	return all, nil
}

func (c *client) close() { c.http.CloseIdleConnections() }

// send sends a request and returns the answer, which must have the given status
// and whose body the caller reads. The address may be a path.
func (c *client) send(method, address string, body io.Reader, size int64, contentType string, want int) (*http.Response, error) {
	if strings.HasPrefix(address, "/") {
		address = c.url + address
	}
	req, err := http.NewRequestWithContext(c.ctx, method, address, body)
	if err != nil {
		return nil, err
	}
	req.ContentLength = size
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if method == http.MethodGet {
		req.Header.Set("Accept", manifestType)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != want {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1000))
		resp.Body.Close()
		return nil, fmt.Errorf("%s %s: %s, not %d: %s", method, address, resp.Status, want, text)
	}
	return resp, nil
}

// do is send for answers of which only the headers matter.
func (c *client) do(method, address string, body io.Reader, size int64, contentType string, want int) (http.Header, error) {
	resp, err := c.send(method, address, body, size, contentType, want)
	if err != nil {
		return nil, err
	}
	_, err = c.drain(resp.Body, nil)
	return resp.Header, err
}

// drain reads a body to its end, hands it to each where that is not nil, and
// returns its length.
func (c *client) drain(body io.ReadCloser, each func([]byte)) (n int64, err error) {
	defer body.Close()
	for {
		k, err := body.Read(c.buf)
		n += int64(k)
		if each != nil {
			each(c.buf[:k])
		}
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}

// get fetches what must have the given size, 0 for any.
func (c *client) get(path string, size int64) error {
	resp, err := c.send(http.MethodGet, path, nil, 0, "", http.StatusOK)
	if err != nil {
		return err
	}
	n, err := c.drain(resp.Body, nil)
	if err == nil && size > 0 && n != size {
		err = fmt.Errorf("GET %s: %d bytes, not %d", path, n, size)
	}
	return err
}

// push uploads a blob and then its manifest under its tag. It does not ask
// whether the blob is there: it never is.
func (c *client) push(b blob) error {
	if c.files != "" {
		return c.pushFile(b)
	}
	f, err := os.Open(b.file)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := c.upload(b.repo, b.digest, f, b.size); err != nil {
		return err
	}
	return c.pushManifest(b.repo, b.tag(), b.manifest())
}

// upload starts an upload session and ends it with the whole content.
func (c *client) upload(repo, digest string, content io.Reader, size int64) error {
	header, err := c.do(http.MethodPost, "/v2/"+repo+"/blobs/uploads/", nil, 0, "", http.StatusAccepted)
	if err != nil {
		return err
	}
	if c.patch {
		if header, err = c.do(http.MethodPatch, header.Get("Location"), content, size, "application/octet-stream", http.StatusAccepted); err != nil {
			return err
		}
		content, size = nil, 0
	}
	end, err := url.Parse(header.Get("Location"))
	if err != nil {
		return err
	}
	query := end.Query()
	query.Set("digest", digest)
	end.RawQuery = query.Encode()
	_, err = c.do(http.MethodPut, end.String(), content, size, "application/octet-stream", http.StatusCreated)
	return err
}

func (c *client) pushManifest(repo, tag string, manifest []byte) error {
	_, err := c.do(http.MethodPut, "/v2/"+repo+"/manifests/"+tag, bytes.NewReader(manifest), int64(len(manifest)), manifestType, http.StatusCreated)
	return err
}

// pull fetches a manifest by tag and then its blob.
func (c *client) pull(b blob) error {
	if err := c.get(b.manifestPath(), 0); err != nil {
		return err
	}
	if !c.verify {
		return c.get(b.path(), b.size)
	}
	resp, err := c.send(http.MethodGet, b.path(), nil, 0, "", http.StatusOK)
	if err != nil {
		return err
	}
	h := sha256.New()
	if _, err := c.drain(resp.Body, func(p []byte) { h.Write(p) }); err != nil {
		return err
	}
	if got := fmt.Sprintf("sha256:%x", h.Sum(nil)); got != b.digest {
		return fmt.Errorf("GET %s: content has digest %s", b.path(), got)
	}
	return nil
}

// head asks for a blob's size.
func (c *client) head(b blob) error {
	resp, err := c.send(http.MethodHead, b.path(), nil, 0, "", http.StatusOK)
	if err != nil {
		return err
	}
	resp.Body.Close()
	if resp.ContentLength != b.size {
		return fmt.Errorf("HEAD %s: length %d, not %d", b.path(), resp.ContentLength, b.size)
	}
	return nil
}

// attach pushes a manifest that refers to that of b.
func (c *client) attach(b blob, n int) error {
	content := referrer(b.manifest(), n)
	digest := fmt.Sprintf("sha256:%x", sha256.Sum256(content))
	return c.pushManifest(b.repo, digest, content)
}

// listReferrers reads what refers to the manifest of b, and checks the number.
func (c *client) listReferrers(b blob, want int) error {
	subject := fmt.Sprintf("sha256:%x", sha256.Sum256(b.manifest()))
	return c.pages("/v2/"+b.repo+"/referrers/"+subject, `"`+referrerMark+`"`, want)
}

// list reads all tags of a repository, and checks their number.
func (c *client) list(query string, tags int) error {
	return c.pages("/v2/"+tagsRepo+"/tags/list"+query, `"`+tagPrefix, tags)
}

// pages reads a list, page by page, and checks how often it holds a text. It
// counts rather than decodes: that would cost more than the list.
func (c *client) pages(path, text string, want int) error {
	list, found := path, 0
	for path != "" {
		resp, err := c.send(http.MethodGet, path, nil, 0, "", http.StatusOK)
		if err != nil {
			return err
		}
		page, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			return err
		}
		found += bytes.Count(page, []byte(text))
		path = ""
		// RFC 8288: <target>; rel="next"
		if target, _, ok := strings.Cut(strings.TrimPrefix(resp.Header.Get("Link"), "<"), ">"); ok {
			path = target
		}
	}
	if found != want {
		return fmt.Errorf("GET %s: %d of %d were listed", list, found, want)
	}
	return nil
}
