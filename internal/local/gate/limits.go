package gate

import (
	"net/http"
	"strings"

	"github.com/berth-oci/berth/internal/base/oci"
)

// Bounds on a request. The spec's names have 255 bytes at most, and nothing but
// uploads and manifests has a body.
const (
	maxURL  = 8 << 10
	maxBody = 64 << 10
)

// Limits refuses what no client of a registry sends: long URLs, bodies where
// none belongs, and paths that mean another place to whoever joins them to a
// directory. It refuses such paths and redirects none, for a client that is sent
// elsewhere would go there with its credentials.
//
// What else bounds a client: the size of headers and the time for them are the
// http.Server's; Timeouts cuts stalled bodies; the size of a manifest is checked
// where it is stored, and a blob may have any. Connections are the server's too.
func Limits(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.RequestURI) > maxURL || len(r.URL.Path) > maxURL {
			refuse(w, http.StatusRequestURITooLong, oci.CodeNameInvalid, "the URL is too long")
			return
		}
		if fault := pathFault(r.URL.Path, r.URL.RawPath); fault != "" {
			refuse(w, http.StatusBadRequest, oci.CodeNameInvalid, fault)
			return
		}
		if r.Body != nil && r.Body != http.NoBody && !takesBody(r) {
			if r.ContentLength > maxBody {
				refuse(w, http.StatusRequestEntityTooLarge, oci.CodeSizeInvalid, "this request takes no body")
				return
			}
			r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		}
		next.ServeHTTP(w, r)
	})
}

// pathFault says what is wrong with a decoded path and the encoded one, which
// net/url keeps when it is not the usual encoding of the decoded one.
func pathFault(path, raw string) string {
	if !strings.HasPrefix(path, "/") {
		return "the path does not begin with a slash"
	}
	for i := range len(path) {
		// No name, tag, digest or upload has any of these. A percent sign that
		// is left was encoded twice.
		if c := path[i]; c <= ' ' || c >= 0x7f || c == '\\' || c == '%' {
			return "the path has a character that no name, tag or digest has"
		}
	}
	if strings.Contains(raw, "%2f") || strings.Contains(raw, "%2F") {
		return "the path has an encoded slash"
	}
	if strings.Contains(path, "//") {
		return "the path has an empty segment"
	}
	for _, dots := range []string{"/.", "/.."} {
		if strings.Contains(path, dots+"/") || strings.HasSuffix(path, dots) {
			return "the path has a dot segment"
		}
	}
	return ""
}

// takesBody reports whether a request may have a body of any size: manifests and
// all that an upload is made of.
func takesBody(r *http.Request) bool {
	switch r.Method {
	case http.MethodPut, http.MethodPatch, http.MethodPost:
	default:
		return false
	}
	path, ok := oci.ParsePath(r.URL.Path)
	return ok && (path.Kind == oci.KindUpload || path.Kind == oci.KindManifest)
}
