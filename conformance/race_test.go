//go:build race

package conformance

// With the race detector in the tests, berth is built with it as well.
var buildFlags = []string{"-race"}
