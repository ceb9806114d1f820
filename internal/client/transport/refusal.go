package transport

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"oras.land/oras-go/v2/registry/remote/errcode"
)

// Refusal is an answer other than the one asked for, as an error. It wraps an
// *errcode.ErrorResponse.
type Refusal struct {
	After time.Duration // how long the registry asks to wait; 0 when it does not

	answer   *errcode.ErrorResponse
	attempts int
}

// maxAnswer bounds what is read of an error's body, in bytes.
const maxAnswer = 64 << 10

// Refused makes the *Refusal of an answer of Client.Do, and closes its body.
func Refused(resp *http.Response) error {
	defer resp.Body.Close()
	r := &Refusal{
		After:  retryAfter(resp.Header.Get("Retry-After")),
		answer: &errcode.ErrorResponse{Method: resp.Request.Method, URL: resp.Request.URL, StatusCode: resp.StatusCode},
	}
	if x := exchangeOf(resp.Request.Context()); x != nil {
		r.attempts = x.attempts
	}
	var body struct {
		Errors errcode.Errors `json:"errors"`
	}
	rest := io.LimitReader(resp.Body, maxAnswer)
	if err := json.NewDecoder(rest).Decode(&body); err == nil { // many answers have another body, or none
		r.answer.Errors = body.Errors
	}
	_, _ = io.Copy(io.Discard, rest) // lets the connection be used again
	return r
}

// Error says what was asked for and what came, without the query.
func (r *Refusal) Error() string {
	text := fmt.Sprintf("%s %s: %d %s", r.answer.Method, r.answer.URL.Path, r.answer.StatusCode, said(r.answer))
	if r.attempts > 1 {
		text += fmt.Sprintf(" (after %d attempts)", r.attempts)
	}
	return text
}

// Unwrap returns the *errcode.ErrorResponse.
func (r *Refusal) Unwrap() error { return r.answer }

// said is the registry's own words, else what the status means.
func said(answer *errcode.ErrorResponse) string {
	if len(answer.Errors) > 0 {
		return answer.Errors.Error()
	}
	return http.StatusText(answer.StatusCode)
}
