// Package client is the wing that speaks to registries, whoever runs them: transport
// has what lies below each request, credential the logins that all of Docker's tools
// share, and remote the OCI distribution API.
//
// It keeps no files but credentials and the journal of uploads, and does not know what
// is in an artifact.
package client
