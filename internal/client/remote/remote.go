// Package remote speaks the OCI distribution API (distribution-spec 1.1) to one
// repository of a registry: manifests, tags, blobs, referrers, lists. It keeps
// what the specification asks of clients, and knows what real registries do
// instead. It owns no connection (package transport does) and no policy
// (package transfer does).
package remote

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"

	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/errcode"

	"github.com/berth-oci/berth/internal/client/transport"
	"github.com/berth-oci/berth/internal/config/resolve"
)

// Repository is one repository of a registry. It is safe for concurrent use.
//
// Its methods fail with a *transport.Refusal for what the registry refuses and
// with the transport's errors, all of which Err maps, unless they say more.
type Repository struct {
	client *transport.Client
	base   *url.URL // scheme and host
	name   string   // "" for the registry as a whole

	uploads   Uploads
	piece     int64 // that an upload begins with, in bytes
	referring *referring
}

// Uploads says how content is sent. The zero value sends and forgets.
type Uploads struct {
	// Journal remembers uploads beyond the life of this process; nil for none.
	Journal *Journal
	// Origin tells the registry from others that may have had its address: where
	// those said that an upload goes on is none of its business.
	Origin string
}

// New returns the repository called name of a target.
func New(client *transport.Client, t *resolve.Target, name string, uploads Uploads) *Repository {
	return &Repository{client: client, base: t.Endpoint.URL(), name: name, uploads: uploads, piece: firstPiece, referring: &referring{}}
}

// Host returns the host:port of the registry.
func (r *Repository) Host() string { return r.base.Host }

// Name returns the repository's name, without the host.
func (r *Repository) Name() string { return r.name }

// Sibling returns another repository of the same registry.
func (r *Repository) Sibling(name string) *Repository {
	sibling := *r
	sibling.name = name
	return &sibling
}

// Err maps what a method failed with to a diagnostic, see transport.Client.Err.
func (r *Repository) Err(err error) error { return r.client.Err(err) }

// Missing reports whether err says that something is not there.
func Missing(err error) bool {
	answer, ok := errors.AsType[*errcode.ErrorResponse](err)
	return errors.Is(err, errdef.ErrNotFound) || ok && answer.StatusCode == http.StatusNotFound
}

// request is one request to the repository.
type request struct {
	method string
	url    *url.URL
	header http.Header

	// open gives the body from its beginning; nil for none.
	open func() (io.ReadCloser, error)
	size int64 // of the body
	bulk bool  // the exchange moves content, not a question

	mount string // repository to mount from, which the credentials must cover
}

// url returns the URL of a part of the repository.
func (r *Repository) url(parts ...string) *url.URL {
	return r.base.JoinPath(append([]string{"v2", r.name}, parts...)...)
}

// do sends a request. An answer of another status than the given ones is a
// *transport.Refusal; else the caller closes the body.
func (r *Repository) do(ctx context.Context, q request, statuses ...int) (*http.Response, error) {
	ctx = r.scope(ctx, q)
	if q.bulk {
		ctx = transport.Bulk(ctx)
	}
	req, err := http.NewRequestWithContext(ctx, q.method, q.url.String(), nil)
	if err != nil {
		return nil, err
	}
	for name, values := range q.header {
		req.Header[name] = values
	}
	if q.open != nil {
		if req.Body, err = q.open(); err != nil {
			return nil, err
		}
		req.GetBody, req.ContentLength = q.open, q.size
		if q.size == 0 { // or net/http sends it in chunks of unknown number
			req.Body.Close()
			req.Body, req.GetBody = http.NoBody, nil
		}
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return nil, err
	}
	for _, status := range statuses {
		if resp.StatusCode == status {
			return resp, nil
		}
	}
	return nil, transport.Refused(resp)
}

// scope says what the credentials must allow, so that a token server is asked
// once and not at every request that needs more.
func (r *Repository) scope(ctx context.Context, q request) context.Context {
	actions := []string{auth.ActionPull}
	switch q.method {
	case http.MethodPost, http.MethodPut, http.MethodPatch:
		actions = append(actions, auth.ActionPush)
	case http.MethodDelete:
		actions = append(actions, auth.ActionDelete)
	}
	if q.mount != "" {
		ctx = auth.AppendRepositoryScope(ctx, registry.Reference{Registry: r.base.Host, Repository: q.mount}, auth.ActionPull)
	}
	if r.name == "" {
		return ctx
	}
	return auth.AppendRepositoryScope(ctx, registry.Reference{Registry: r.base.Host, Repository: r.name}, actions...)
}

// status returns the status that the registry refused with, or 0.
func status(err error) int {
	if answer, ok := errors.AsType[*errcode.ErrorResponse](err); ok {
		return answer.StatusCode
	}
	return 0
}

// discard ends an exchange whose body says nothing, so that the connection can
// be used again.
func discard(resp *http.Response) {
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10)
	resp.Body.Close()
}

// broken is the failure of an answer in the middle of its body, where the
// transport cannot ask again: only the caller knows whether it may.
type broken struct{ error }

func (b broken) Unwrap() error { return b.error }

// again calls f anew, by the target's policy, while answers break. The transport
// has tried again what failed before that.
func (r *Repository) again(ctx context.Context, f func() error) error {
	return r.retryIf(ctx, f, func(err error) bool {
		_, ok := errors.AsType[broken](err)
		return ok
	})
}

// resend calls f anew, by the target's policy, while the registry fails at it: for
// what the transport does not repeat by itself, and may be.
func (r *Repository) resend(ctx context.Context, f func() error) error {
	return r.retryIf(ctx, f, func(err error) bool { return status(err) >= 500 })
}

// retryIf is transport.Client.Retry for some errors only: what the transport has
// retried is not retried again.
func (r *Repository) retryIf(ctx context.Context, f func() error, may func(error) bool) error {
	var other error
	err := r.client.Retry(ctx, func() error {
		if other = f(); other != nil && may(other) {
			return other
		}
		return nil
	})
	if err != nil {
		return err
	}
	return other
}
