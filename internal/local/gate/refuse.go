package gate

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// Codes of OCI distribution-spec 1.1, "Error Codes"; unknown is Docker's.
const (
	codeUnauthorized = "UNAUTHORIZED"
	codeNameInvalid  = "NAME_INVALID"
	codeSizeInvalid  = "SIZE_INVALID"
	codeUnsupported  = "UNSUPPORTED"
	codeTooMany      = "TOOMANYREQUESTS"
	codeUnknown      = "UNKNOWN"
)

// refuse answers a request with an error in the form of OCI distribution-spec
// 1.1, "Error Codes".
func refuse(w http.ResponseWriter, status int, code, message string) {
	type fault struct {
		Code    string `json:"code"`
		Message string `json:"message"`
		Detail  any    `json:"detail"`
	}
	body, err := json.Marshal(map[string][]fault{"errors": {{Code: code, Message: message}}})
	if err != nil {
		panic(err) // strings and nil: cannot be
	}
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
