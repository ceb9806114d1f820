package api

import (
	"bufio"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/berth-oci/berth/internal/base/oci"
)

// tags is end-8.
func (h *Handler) tags(w http.ResponseWriter, r *http.Request, repo string) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.refuse(w, r, "GET, HEAD")
		return
	}
	names, err := h.store.Tags(r.Context(), repo)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	name, _ := json.Marshal(repo)
	h.page(w, r, names, `{"name":`+string(name)+`,"tags":[`)
}

// catalog lists all repositories, as Docker's registry API has it.
func (h *Handler) catalog(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.refuse(w, r, "GET, HEAD")
		return
	}
	names, err := h.store.Repositories(r.Context())
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.page(w, r, names, `{"repositories":[`)
}

// linkNext says where the next page of a list is (RFC 8288).
func linkNext(w http.ResponseWriter, r *http.Request, query url.Values) {
	next := url.URL{Path: r.URL.Path, RawQuery: query.Encode()}
	w.Header().Set("Link", "<"+next.String()+`>; rel="next"`)
}

// listBuffer is how much of a list is put together before it is written.
const listBuffer = 32 << 10

// page answers with the part of names that a client asks for: n of them at most,
// after last. Without n it gets all. The document is written as it comes, since
// there may be millions.
func (h *Handler) page(w http.ResponseWriter, r *http.Request, names []string, head string) {
	query := r.URL.Query()
	if last := query.Get("last"); last != "" {
		i, found := slices.BinarySearch(names, last)
		if found {
			i++
		}
		names = names[i:]
	}
	if query.Has("n") {
		n, err := strconv.Atoi(query.Get("n"))
		if err != nil || n < 0 {
			h.fail(w, r, badRequest(oci.CodePaginationInvalid, "n is the number of entries wanted"))
			return
		}
		if n < len(names) {
			names = names[:n]
			if n > 0 {
				linkNext(w, r, url.Values{"n": {strconv.Itoa(n)}, "last": {names[n-1]}})
			}
		}
	}
	// Names need no escaping, which json.Marshal would look for in each.
	size := len(head) + len("]}\n")
	for _, name := range names {
		size += len(name) + len(`"",`)
	}
	if len(names) > 0 {
		size--
	}
	setType(w, "application/json", int64(size))
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return
	}
	out, ok := h.lists.Get().(*bufio.Writer)
	if !ok {
		out = bufio.NewWriterSize(nil, listBuffer)
	}
	out.Reset(w)
	defer func() {
		out.Reset(nil)
		h.lists.Put(out)
	}()
	_, _ = out.WriteString(head)
	for i, name := range names {
		if i > 0 {
			_ = out.WriteByte(',')
		}
		_ = out.WriteByte('"')
		_, _ = out.WriteString(name)
		_ = out.WriteByte('"')
	}
	_, _ = out.WriteString("]}\n")
	_ = out.Flush()
}
