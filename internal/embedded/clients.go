package embedded

import (
	"net/http"

	"github.com/berth-oci/berth/internal/gate"
)

// client tells clients apart for the limits on each: by their user, or else by
// the network that they come from.
func client(r *http.Request) string {
	if user := gate.User(r.Context()); user != "" {
		return "user " + user
	}
	return gate.Client(r.Context()).String()
}

// writers returns how many uploads may be written at once. Each of them takes a
// descriptor beside that of its connection; the rest is for other requests and
// for what the registry itself does.
func writers(descriptors int) int {
	const most = 1024
	return max(1, min(most, descriptors/4))
}
