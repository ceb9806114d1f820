// Package conformance holds the tests that know berth only from outside: they
// build the program, run it on real storage, and talk to it over the network as
// the OCI suite, real clients, many clients at once and hostile clients do.
// What a single package promises is tested in that package.
package conformance
