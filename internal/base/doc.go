// Package base is the wing of what all others share: names, digests and manifests of
// OCI (oci), files that several processes read and write (atomicfile, filelock,
// regular), texts of users and of others (yaml, strictjson, lazyregexp), what must not
// be shown (redact), who may come in (access), and what tests need (testtool).
//
// It knows neither configs nor registries: each of its packages does one thing for
// whoever asks.
package base
