package conformance

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// client speaks the distribution protocol, one request at a time and without
// retries, so that a test sees every answer.
type client struct {
	base string
	http *http.Client
	user string
	pass string
}

func newClient(base string, s setup) *client {
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	if s.tls != nil {
		transport.TLSClientConfig = &tls.Config{RootCAs: s.tls.pool}
	}
	return &client{base: base, user: s.user, pass: s.password, http: &http.Client{
		Transport: transport, Timeout: time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// answer is a response whose body was read to the end.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// codes are the error codes that an OCI registry names.
func (a answer) codes() (codes []string) {
	var body struct {
		Errors []struct{ Code string }
	}
	_ = json.Unmarshal(a.body, &body)
	for _, e := range body.Errors {
		codes = append(codes, e.Code)
	}
	return codes
}

func (a answer) String() string {
	return fmt.Sprintf("%d %.300s", a.status, bytes.TrimSpace(a.body))
}

// refusal is an answer other than the one wanted.
type refusal struct {
	what string
	answer
}

func (r *refusal) Error() string { return r.what + ": " + r.String() }

// do sends a request to a path, or to a Location that the registry gave. It
// follows redirects of reads to storage.
func (c *client) do(ctx context.Context, method, path string, header http.Header, body io.Reader) (answer, error) {
	target, err := url.Parse(c.base)
	if err != nil {
		return answer{}, err
	}
	if target, err = target.Parse(path); err != nil {
		return answer{}, err
	}
	req, err := http.NewRequestWithContext(ctx, method, target.String(), body)
	if err != nil {
		return answer{}, err
	}
	for name, values := range header {
		req.Header[name] = values
	}
	if c.user != "" && req.Header.Get("Authorization") == "" && strings.HasPrefix(target.String(), c.base) {
		req.SetBasicAuth(c.user, c.pass)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return answer{}, fmt.Errorf("%s %s: %s, then: %w", method, path, resp.Status, err)
	}
	if location := resp.Header.Get("Location"); location != "" && resp.StatusCode == http.StatusTemporaryRedirect {
		return c.do(ctx, method, location, header, nil)
	}
	return answer{resp.StatusCode, resp.Header, data}, nil
}

func (c *client) get(path string) (answer, error) {
	return c.do(context.Background(), http.MethodGet, path, nil, nil)
}

// want is do, and any status but the wanted one is an error.
func (c *client) want(ctx context.Context, status int, method, path string, header http.Header, body []byte) (answer, error) {
	var r io.Reader
	if body != nil {
		r = bytes.NewReader(body)
	}
	a, err := c.do(ctx, method, path, header, r)
	if err == nil && a.status != status {
		err = &refusal{method + " " + path, a}
	}
	return a, err
}

// hasBlob asks with HEAD.
func (c *client) hasBlob(ctx context.Context, repo string, d digest.Digest) (bool, error) {
	path := "/v2/" + repo + "/blobs/" + d.String()
	a, err := c.do(ctx, http.MethodHead, path, nil, nil)
	switch {
	case err != nil:
		return false, err
	case a.status == http.StatusOK || a.status == http.StatusNotFound:
		return a.status == http.StatusOK, nil
	}
	return false, &refusal{"HEAD " + path, a}
}

// begin opens an upload and returns its location.
func (c *client) begin(ctx context.Context, repo string) (location string, err error) {
	a, err := c.want(ctx, http.StatusAccepted, http.MethodPost, "/v2/"+repo+"/blobs/uploads/", nil, []byte{})
	return a.header.Get("Location"), err
}

// patch sends a chunk that starts at offset and returns where the next one goes.
func (c *client) patch(ctx context.Context, location string, offset int, chunk []byte) (next string, err error) {
	a, err := c.want(ctx, http.StatusAccepted, http.MethodPatch, location, http.Header{
		"Content-Type":  {"application/octet-stream"},
		"Content-Range": {contentRange(offset, chunk)},
	}, chunk)
	return a.header.Get("Location"), err
}

func contentRange(offset int, chunk []byte) string {
	return fmt.Sprintf("%d-%d", offset, offset+len(chunk)-1)
}

// finish closes an upload with its last bytes, which start at offset.
func (c *client) finish(ctx context.Context, location string, d digest.Digest, offset int, rest []byte) error {
	header := http.Header{"Content-Type": {"application/octet-stream"}}
	if offset > 0 && len(rest) > 0 {
		header.Set("Content-Range", contentRange(offset, rest))
	}
	_, err := c.want(ctx, http.StatusCreated, http.MethodPut, withQuery(location, "digest", d.String()), header, rest)
	return err
}

func withQuery(location, name, value string) string {
	separator := "?"
	if strings.Contains(location, "?") {
		separator = "&"
	}
	return location + separator + name + "=" + url.QueryEscape(value)
}

// pushBlob uploads content in chunks of the given size; 0 is one PUT.
func (c *client) pushBlob(ctx context.Context, repo string, d digest.Digest, content []byte, chunk int) error {
	location, err := c.begin(ctx, repo)
	if err != nil {
		return err
	}
	offset := 0
	for chunk > 0 && len(content)-offset > chunk {
		if location, err = c.patch(ctx, location, offset, content[offset:offset+chunk]); err != nil {
			return err
		}
		offset += chunk
	}
	return c.finish(ctx, location, d, offset, content[offset:])
}

// mount takes a blob over from another repository; false is the registry's right
// to ask for an upload instead, which is cancelled.
func (c *client) mount(ctx context.Context, repo string, d digest.Digest, from string) (bool, error) {
	path := withQuery(withQuery("/v2/"+repo+"/blobs/uploads/", "mount", d.String()), "from", from)
	a, err := c.do(ctx, http.MethodPost, path, nil, nil)
	switch {
	case err != nil:
		return false, err
	case a.status == http.StatusCreated:
		return true, nil
	case a.status != http.StatusAccepted:
		return false, &refusal{"POST " + path, a}
	}
	_, err = c.do(ctx, http.MethodDelete, a.header.Get("Location"), nil, nil)
	return false, err
}

// putManifest stores a manifest under a tag or a digest.
func (c *client) putManifest(ctx context.Context, repo, reference, mediaType string, content []byte) error {
	_, err := c.want(ctx, http.StatusCreated, http.MethodPut, "/v2/"+repo+"/manifests/"+reference,
		http.Header{"Content-Type": {mediaType}}, content)
	return err
}

func (c *client) delete(ctx context.Context, path string) error {
	_, err := c.want(ctx, http.StatusAccepted, http.MethodDelete, path, nil, nil)
	return err
}

// Media types of manifests, as a client names those it takes.
const (
	dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	dockerList     = "application/vnd.docker.distribution.manifest.list.v2+json"
)

var acceptManifests = http.Header{"Accept": {v1.MediaTypeImageManifest, v1.MediaTypeImageIndex, dockerManifest, dockerList}}

// manifest reads a manifest; its digest is that of the bytes.
func (c *client) manifest(ctx context.Context, repo, reference string) (mediaType string, content []byte, err error) {
	a, err := c.want(ctx, http.StatusOK, http.MethodGet, "/v2/"+repo+"/manifests/"+reference, acceptManifests, nil)
	return a.header.Get("Content-Type"), a.body, err
}

// blob reads a blob; whether its bytes are right is for the caller to see.
func (c *client) blob(ctx context.Context, repo string, d digest.Digest) ([]byte, error) {
	a, err := c.want(ctx, http.StatusOK, http.MethodGet, "/v2/"+repo+"/blobs/"+d.String(), nil, nil)
	return a.body, err
}

// referrers lists what refers to a manifest.
func (c *client) referrers(ctx context.Context, repo string, d digest.Digest) ([]v1.Descriptor, error) {
	var list []v1.Descriptor
	err := c.pages(ctx, "/v2/"+repo+"/referrers/"+d.String(), func(page []byte) error {
		var index v1.Index
		err := json.Unmarshal(page, &index)
		list = append(list, index.Manifests...)
		return err
	})
	return list, err
}

// tags and repositories list all pages.
func (c *client) tags(ctx context.Context, repo string) (tags []string, err error) {
	return tags, c.pages(ctx, "/v2/"+repo+"/tags/list", func(page []byte) error {
		var list struct{ Tags []string }
		err := json.Unmarshal(page, &list)
		tags = append(tags, list.Tags...)
		return err
	})
}

func (c *client) repositories(ctx context.Context) (names []string, err error) {
	return names, c.pages(ctx, "/v2/_catalog", func(page []byte) error {
		var list struct{ Repositories []string }
		err := json.Unmarshal(page, &list)
		names = append(names, list.Repositories...)
		return err
	})
}

// pages follows the Link headers of a list.
func (c *client) pages(ctx context.Context, path string, page func([]byte) error) error {
	for path != "" {
		a, err := c.want(ctx, http.StatusOK, http.MethodGet, path, nil, nil)
		if err != nil {
			return err
		}
		if err := page(a.body); err != nil {
			return fmt.Errorf("GET %s: %w", path, err)
		}
		if path, err = nextLink(a.header); err != nil {
			return err
		}
	}
	return nil
}

// nextLink returns the target of a Link header with rel="next" (RFC 8288), or "".
func nextLink(h http.Header) (string, error) {
	link := h.Get("Link")
	if link == "" {
		return "", nil
	}
	target, params, ok := strings.Cut(strings.TrimPrefix(link, "<"), ">")
	if !ok || !strings.Contains(params, `rel="next"`) {
		return "", fmt.Errorf("unusable Link header %q", link)
	}
	return target, nil
}
