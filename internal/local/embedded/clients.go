package embedded

import (
	"net/http"

	"github.com/berth-oci/berth/internal/local/gate"
)

// client tells clients apart for the limits on each: by their user, or else by
// the network that they come from.
func client(r *http.Request) string {
	if user := gate.User(r.Context()); user != "" {
		return "user " + user
	}
	return gate.Client(r.Context()).String()
}
