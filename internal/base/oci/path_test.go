package oci

import "testing"

func TestParsePath(t *testing.T) {
	for path, want := range map[string]Path{
		"/v2/a/manifests/v1":                 {KindManifest, "a", "v1"},
		"/v2/a/b/c/manifests/v1":             {KindManifest, "a/b/c", "v1"},
		"/v2/a/blobs/sha256:x":               {KindBlob, "a", "sha256:x"},
		"/v2/a/blobs/uploads/":               {KindUpload, "a", ""},
		"/v2/a/blobs/uploads":                {KindUpload, "a", ""},
		"/v2/a/blobs/uploads/id":             {KindUpload, "a", "id"},
		"/v2/a/tags/list":                    {KindTags, "a", ""},
		"/v2/a/referrers/sha256:x":           {KindReferrers, "a", "sha256:x"},
		"/v2/blobs/blobs/uploads/":           {KindUpload, "blobs", ""},
		"/v2/blobs/uploads/blobs/uploads/":   {KindUpload, "blobs/uploads", ""},
		"/v2/blobs/uploads/blobs/uploads/id": {KindUpload, "blobs/uploads", "id"},
		"/v2/manifests/manifests/manifests":  {KindManifest, "manifests", "manifests"},
		"/v2/manifests/v1/manifests/v2":      {KindManifest, "manifests/v1", "v2"},
		"/v2/tags/list/tags/list":            {KindTags, "tags/list", ""},
		"/v2/a/tags/list/manifests/list":     {KindManifest, "a/tags/list", "list"},
		"/v2/uploads/blobs/sha256:x":         {KindBlob, "uploads", "sha256:x"},
		"/v2/a/uploads/blobs/uploads/id":     {KindUpload, "a/uploads", "id"},
		"/v2/referrers/referrers/sha256:x":   {KindReferrers, "referrers", "sha256:x"},
		"/v2/a/manifests/":                   {KindManifest, "a", ""},
		"/v2/":                               {Kind: KindBase},
		"/v2":                                {Kind: KindBase},
		"/v2/_catalog":                       {Kind: KindCatalog},
		"/v2x":                               {},
		"/v1/a/manifests/v1":                 {},
		"":                                   {},
		"/v2/a":                              {},
		"/v2/a/b":                            {},
		"/v2/a/b/c":                          {},
		"/v2/manifests/v1":                   {},
		"/v2/a/tags/other":                   {},
		"/v2/blobs/uploads/id":               {},
		"/v2/a/uploads/id":                   {},
	} {
		got, ok := ParsePath(path)
		if !ok {
			got = Path{}
		}
		if got != want || ok != (want != Path{}) {
			t.Errorf("%q: %+v, %v; want %+v", path, got, ok, want)
		}
	}
}
