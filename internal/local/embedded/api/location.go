package api

import (
	"net/http"

	"github.com/berth-oci/berth/internal/local/gate"
)

// locate tells the client of a place. It is a whole URL, as that of distribution
// is: there are scripts that go there without looking at it. A client that names
// no host, as HTTP/1.0 lets it, gets the path.
func (h *Handler) locate(w http.ResponseWriter, r *http.Request, path string) {
	if scheme, host := gate.Origin(r); host != "" && !h.Relative {
		path = scheme + "://" + host + path
	}
	w.Header()["Location"] = []string{path}
}
