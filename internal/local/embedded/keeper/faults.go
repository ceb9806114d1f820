package keeper

import (
	"context"
	"errors"
	"io"
	"net/url"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/local/embedded/store"
)

// diagnose makes a diagnostic of what a store failed with: diag.Busy,
// diag.DigestMismatch or diag.StorageFailed. After the end of ctx it is that: a
// storage says in its own words that a request was given up.
func diagnose(ctx context.Context, work string, err error) error {
	var told *store.Error
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, store.ErrScrubbing):
		return diag.Errorf(diag.Busy, "%w", err).
			WithHint("wait for that pass to end; scrub_interval starts one as well, and the registry's log tells how it went")
	case errors.As(err, &told):
		return diag.Errorf(diag.DigestMismatch, "%w", err)
	}
	return diag.Errorf(diag.StorageFailed, "%s stopped: %w", work, err).
		WithHint("what is stored is whole; check the storage, and run the command again")
}

// gone is why the running registry does not answer any more. It is the end of
// ctx where that came first.
func gone(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var request *url.Error // which only repeats where the socket is
	if errors.As(err, &request) {
		err = request.Err
	}
	d := diag.Errorf(diag.NotRunning, "the registry stopped before it was done")
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		d = diag.Errorf(diag.NotRunning, "the registry does not answer any more: %w", err)
	}
	return d.WithHint("what is stored is whole; run the command again: it works on a stopped registry as well")
}

// fault is a diagnostic on its way through the socket.
type fault struct {
	Code    diag.Code `json:"code"`
	Message string    `json:"message"`
	Hint    string    `json:"hint,omitempty"`
}

func faultOf(err error) *fault {
	var d *diag.Diagnostic
	if errors.As(err, &d) {
		return &fault{d.Code, d.Message, d.Hint}
	}
	return &fault{Code: diag.Failed, Message: err.Error()}
}

func (f *fault) diagnostic() *diag.Diagnostic {
	return &diag.Diagnostic{Code: f.Code, Message: f.Message, Hint: f.Hint}
}
