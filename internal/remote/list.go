package remote

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// Page says which part of a list is wanted. The zero value wants all of it.
type Page struct {
	After string // names behind this one, in the registry's order; "" for the beginning
	Limit int    // names at most; 0 for all
}

// pageSize is how many names are asked for at a time.
const pageSize = 1000

// maxList bounds the answer to one request for names, in bytes.
const maxList = 64 << 20

// Tags calls each with the tags of the repository, page by page, in the
// registry's order. A repository that is not there is Missing.
func (r *Repository) Tags(ctx context.Context, p Page, each func([]string) error) error {
	return r.list(ctx, r.url("tags", "list"), p, each)
}

// Repositories is Tags for the repositories of the registry, which need not have
// such a list.
func (r *Repository) Repositories(ctx context.Context, p Page, each func([]string) error) error {
	return r.list(ctx, r.base.JoinPath("v2", "_catalog"), p, each)
}

func (r *Repository) list(ctx context.Context, at *url.URL, p Page, each func([]string) error) error {
	query := url.Values{"n": {strconv.Itoa(pageSize)}}
	if p.Limit > 0 {
		query.Set("n", strconv.Itoa(min(p.Limit, pageSize)))
	}
	if p.After != "" {
		query.Set("last", p.After)
	}
	at.RawQuery = query.Encode()
	seen := pages{}
	for left := p.Limit; ; {
		names, next, err := r.listPage(ctx, at)
		if err != nil {
			return err
		}
		if p.Limit > 0 {
			names = names[:min(left, len(names))]
			left -= len(names)
		}
		if len(names) > 0 {
			if err := each(names); err != nil {
				return err
			}
		}
		if next == nil || p.Limit > 0 && left == 0 || !seen.open(at, next) {
			return nil
		}
		at = next
	}
}

// pages are those of a list that were read: some registries link back.
type pages map[string]bool

// open reports whether next is another page than at and all before.
func (p pages) open(at, next *url.URL) bool {
	p[at.String()] = true
	return !p[next.String()]
}

func (r *Repository) listPage(ctx context.Context, at *url.URL) (names []string, next *url.URL, err error) {
	var page struct {
		Tags         []string `json:"tags"`
		Repositories []string `json:"repositories"`
	}
	header, err := r.getJSON(ctx, at, "application/json", &page)
	if err != nil {
		return nil, nil, err
	}
	next, err = nextPage(at, header)
	return append(page.Tags, page.Repositories...), next, err
}

// getJSON decodes an answer, and asks again when it breaks in the middle.
func (r *Repository) getJSON(ctx context.Context, at *url.URL, accept string, into any) (header http.Header, err error) {
	var data []byte
	err = r.again(ctx, func() error {
		resp, err := r.do(ctx, request{method: http.MethodGet, url: at, header: http.Header{"Accept": {accept}}}, http.StatusOK)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		header = resp.Header
		if data, err = io.ReadAll(io.LimitReader(resp.Body, maxList+1)); err != nil {
			return broken{err}
		}
		return nil
	})
	switch {
	case err != nil:
		return nil, err
	case len(data) > maxList:
		return nil, fmt.Errorf("%s: the answer has more than %d bytes", at.Redacted(), maxList)
	}
	if err := json.Unmarshal(data, into); err != nil {
		return nil, fmt.Errorf("%s: %w", at.Redacted(), err)
	}
	return header, nil
}

// nextPage reads the link to the next page (RFC 8288), which has to be on the
// same host: it gets the credentials.
func nextPage(at *url.URL, header http.Header) (*url.URL, error) {
	for _, value := range header.Values("Link") {
		target, params, ok := strings.Cut(value, ">")
		target, found := strings.CutPrefix(strings.TrimSpace(target), "<")
		if !ok || !found || !strings.Contains(strings.ReplaceAll(params, `"`, ""), "rel=next") {
			continue
		}
		next, err := at.Parse(target)
		if err != nil {
			return nil, fmt.Errorf("%s: the link to the next page: %w", at.Redacted(), err)
		}
		next.Scheme, next.Host = at.Scheme, at.Host // a proxy may call itself otherwise
		return next, nil
	}
	return nil, nil
}
