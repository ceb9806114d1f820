package gate

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/berth-oci/berth/internal/base/oci"
)

// refuse answers a request with an error in the form of OCI distribution-spec
// 1.1, "Error Codes".
func refuse(w http.ResponseWriter, status int, code oci.Code, message string) {
	// Docker's registry names the detail here even where there is none.
	body := oci.ErrorBody(code, message, json.RawMessage("null"))
	h := w.Header()
	// What a handler may have said of an answer that it did not come to give.
	for _, name := range []string{"Content-Encoding", "Content-Range", "Accept-Ranges", "Etag", "Last-Modified",
		"Docker-Content-Digest", "Location"} {
		h.Del(name)
	}
	h.Set("Cache-Control", "no-store") // what is refused now may not be later
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
