package oci

import "strings"

// Kind is what a path of the API is about: OCI distribution-spec 1.1, "Endpoints".
type Kind string

// The kinds.
const (
	KindBase      Kind = "base"      // /v2/: whether the API is spoken (end-1)
	KindCatalog   Kind = "catalog"   // /v2/_catalog, of Docker's registry
	KindManifest  Kind = "manifest"  // by tag or digest (end-3, 7, 9)
	KindBlob      Kind = "blob"      // by digest (end-2, 10)
	KindUpload    Kind = "upload"    // to be begun, or by id (end-4 to 6, 11, 13, 14)
	KindTags      Kind = "tags"      // the list of them (end-8)
	KindReferrers Kind = "referrers" // to a digest (end-12)
)

// Path is what a path of the API names.
type Path struct {
	Kind       Kind
	Repository string // "" for base and catalog
	Reference  string // tag, digest or id; "" for lists and an upload to be begun
}

// ParsePath takes the path of a URL apart, from its end: a repository may be called as
// any part of it. Whether names and references can be such is not looked at. ok is
// false for what is no path of the API.
func ParsePath(path string) (p Path, ok bool) {
	rest, ok := strings.CutPrefix(path, "/v2")
	if !ok {
		return Path{}, false
	}
	switch rest {
	case "", "/":
		return Path{Kind: KindBase}, true
	case "/_catalog":
		return Path{Kind: KindCatalog}, true
	}
	if rest[0] != '/' {
		return Path{}, false
	}
	head, last, ok := cutLast(rest[1:])
	if !ok {
		return Path{}, false
	}
	head, kind, ok := cutLast(head)
	if !ok {
		return Path{}, false
	}
	switch {
	case kind == "tags" && last == "list":
		return Path{Kind: KindTags, Repository: head}, true
	case kind == "manifests":
		return Path{KindManifest, head, last}, true
	case kind == "referrers":
		return Path{KindReferrers, head, last}, true
	case kind == "blobs" && last == "uploads":
		return Path{Kind: KindUpload, Repository: head}, true
	case kind == "blobs":
		return Path{KindBlob, head, last}, true
	case kind == "uploads":
		repo, kind, ok := cutLast(head)
		if ok && kind == "blobs" {
			return Path{KindUpload, repo, last}, true
		}
	}
	return Path{}, false
}

func cutLast(path string) (head, last string, ok bool) {
	i := strings.LastIndexByte(path, '/')
	if i < 0 {
		return "", path, false
	}
	return path[:i], path[i+1:], true
}
