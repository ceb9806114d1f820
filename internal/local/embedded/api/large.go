package api

import (
	"errors"
	"net/http"

	"github.com/berth-oci/berth/internal/base/oci"
	"github.com/berth-oci/berth/internal/local/embedded/quota"
	"github.com/berth-oci/berth/internal/local/embedded/store"
)

// Manifests and lists are held in memory, for as long as their client takes to
// send or to read them. Of those that are large only so many are at once.
const (
	large          = 64 << 10
	largeManifests = 16 // that are pushed, with what they are parsed into
	largeAnswers   = 32 // lists of referrers among them, whatever their size
)

// clientOf returns the name that the request's client is counted by.
func (h *Handler) clientOf(r *http.Request) string {
	if h.Client == nil {
		return ""
	}
	return h.Client(r)
}

// enter waits for a place of a quota.
//
// Errors: oci.CodeTooMany.
func (h *Handler) enter(r *http.Request, q *quota.Quota) (leave func(), err error) {
	client := h.clientOf(r)
	switch err := q.Enter(r.Context(), client); {
	case errors.Is(err, quota.ErrFull):
		return nil, &store.Error{Code: oci.CodeTooMany, Message: "too many requests of this kind are under way: come again"}
	case err != nil:
		return nil, err
	}
	return func() { q.Leave(client) }, nil
}

// place is one of a quota, for a request. It is a store.Room.
type place struct {
	h     *Handler
	r     *http.Request
	of    *quota.Quota
	leave func() // nil while it is not taken
}

// Enter waits as Handler.enter does.
func (p *place) Enter() (err error) {
	if p.leave == nil {
		p.leave, err = p.h.enter(p.r, p.of)
	}
	return err
}

func (p *place) Leave() {
	if p.leave != nil {
		p.leave()
		p.leave = nil
	}
}
