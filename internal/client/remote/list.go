package remote

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/oci"
)

// Page says which part of a list is wanted. The zero value wants all of it.
type Page struct {
	After string // names behind this one, in the registry's order; "" for the beginning
	Limit int    // names at most; 0 for all
}

// pageSize is how many names are asked for at a time.
const pageSize = 1000

// What a list may have in all: beyond that a registry does not stop to list. The
// answer to one request is bounded in bytes.
const (
	maxPages  = 10_000
	maxNames  = 1 << 20
	maxAnswer = 64 << 20
)

// Tags calls each with the tags of the repository, page by page, in the
// registry's order. A repository that is not there is Missing. A list that does not
// end, leads back to what was read or has what is no tag fails with
// diag.RegistryRefused: what came of it before is not all.
func (r *Repository) Tags(ctx context.Context, p Page, each func([]string) error) error {
	return r.list(ctx, r.url("tags", "list"), p, each, func(at *url.URL, names []string) ([]string, error) {
		for _, name := range names {
			if !oci.IsTag(name) {
				return nil, unlisted(at, "it has %.200q, which cannot be a name there", name)
			}
		}
		return names, nil
	})
}

// Repositories is Tags for the repositories of the registry, which need not have
// such a list. Some list what has another format as well, under names that no
// repository can have: these are skipped, of which skipped is told.
func (r *Repository) Repositories(ctx context.Context, p Page, each func([]string) error, skipped func(name string)) error {
	return r.list(ctx, r.base.JoinPath("v2", "_catalog"), p, each, func(_ *url.URL, names []string) ([]string, error) {
		return slices.DeleteFunc(names, func(name string) bool {
			if oci.IsRepository(name) {
				return false
			}
			skipped(name)
			return true
		}), nil
	})
}

// list calls each with what choose takes of each page.
func (r *Repository) list(ctx context.Context, at *url.URL, p Page, each func([]string) error, choose func(at *url.URL, names []string) ([]string, error)) error {
	query := url.Values{"n": {strconv.Itoa(pageSize)}}
	if p.Limit > 0 {
		query.Set("n", strconv.Itoa(min(p.Limit, pageSize)))
	}
	if p.After != "" {
		query.Set("last", p.After)
	}
	at.RawQuery = query.Encode()
	all := &pages{at: at}
	for listed, read := 0, 0; ; {
		names, err := r.listPage(ctx, all, maxNames-read)
		if err != nil {
			return err
		}
		read += len(names)
		if names, err = choose(at, names); err != nil {
			return err
		}
		if p.Limit > 0 {
			names = names[:min(p.Limit-listed, len(names))]
		}
		if listed += len(names); len(names) > 0 {
			if err := each(names); err != nil {
				return err
			}
		}
		if all.at == nil || p.Limit > 0 && listed == p.Limit {
			return nil
		}
	}
}

// listPage returns the names of the next page, most of them at most.
func (r *Repository) listPage(ctx context.Context, all *pages, most int) ([]string, error) {
	var page struct {
		Tags         atMost[string] `json:"tags"`
		Repositories atMost[string] `json:"repositories"`
	}
	page.Tags.most, page.Repositories.most = most, most
	at := all.at
	data, header, err := r.read(ctx, at, "application/json", maxAnswer)
	if err != nil {
		return nil, err
	}
	switch err := json.Unmarshal(data, &page); {
	case errors.Is(err, errTooMany):
		return nil, tooMany(at)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", at.Redacted(), err)
	}
	names := append(page.Tags.list, page.Repositories.list...)
	return names, all.turn(header, len(names))
}

// pages are those of a list, one after the other.
type pages struct {
	at   *url.URL                   // of the next one; nil behind the last
	read map[[sha256.Size]byte]bool // by the hash of its URL, which may be long
}

// turn goes on behind the page that was read, which had so many entries. An empty
// one that leads to itself is the end, as some registries have it.
func (p *pages) turn(header http.Header, entries int) (err error) {
	at := p.at
	if p.at, err = nextPage(at, header); err != nil || p.at == nil {
		return err
	}
	if entries == 0 && p.at.String() == at.String() {
		p.at = nil
		return nil
	}
	if p.read == nil {
		p.read = map[[sha256.Size]byte]bool{}
	}
	p.read[sha256.Sum256([]byte(at.String()))] = true
	switch {
	case p.read[sha256.Sum256([]byte(p.at.String()))]:
		return unlisted(at, "a page leads back to one before it")
	case len(p.read) == maxPages:
		return unlisted(at, "it has more than %d pages", maxPages)
	}
	return nil
}

// tooMany is for a list of more than berth takes.
func tooMany(at *url.URL) error { return unlisted(at, "it has more entries than berth takes") }

// unlisted is for a list of which what came is not all, or not to be used.
func unlisted(at *url.URL, why string, args ...any) error {
	return diag.Errorf(diag.RegistryRefused, "%s does not give a whole list at /%s: %s", at.Host, strings.TrimPrefix(at.Path, "/"), fmt.Sprintf(why, args...)).
		WithHint("what it gave was not used; tell who runs the registry, and name what you want instead of having it looked for")
}

// atMost is a list of no more elements than most: some bytes of JSON can be many in
// memory.
type atMost[T any] struct {
	most int
	list []T
}

// errTooMany is what reading an atMost fails with.
var errTooMany = errors.New("too many elements")

// UnmarshalJSON implements json.Unmarshaler.
func (l *atMost[T]) UnmarshalJSON(data []byte) error {
	from := json.NewDecoder(bytes.NewReader(data))
	begin, err := from.Token()
	if err != nil || begin == nil { // null is none
		return err
	}
	if begin != json.Delim('[') {
		return errors.New("a list is none")
	}
	for from.More() {
		var element T
		if len(l.list) == l.most {
			return errTooMany
		}
		if err := from.Decode(&element); err != nil {
			return err
		}
		l.list = append(l.list, element)
	}
	return nil
}

// read returns an answer of most bytes at most. It asks again when the answer
// breaks in the middle.
func (r *Repository) read(ctx context.Context, at *url.URL, accept string, most int) (data []byte, header http.Header, err error) {
	err = r.again(ctx, func() error {
		resp, err := r.do(ctx, request{method: http.MethodGet, url: at, header: http.Header{"Accept": {accept}}}, http.StatusOK)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		header = resp.Header
		if data, err = io.ReadAll(io.LimitReader(resp.Body, int64(most)+1)); err != nil {
			return broken{err}
		}
		return nil
	})
	switch {
	case err != nil:
		return nil, nil, err
	case len(data) > most:
		return nil, nil, unlisted(at, "it has more bytes than berth takes")
	}
	return data, header, nil
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
