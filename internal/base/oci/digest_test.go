package oci

import (
	"errors"
	"testing"

	"github.com/opencontainers/go-digest"
)

func TestDigests(t *testing.T) {
	content, other := []byte("content"), []byte("other")
	short, long := digest.SHA256.FromBytes(content), digest.SHA512.FromBytes(content)
	fault := errors.New("no content")
	for name, test := range map[string]struct {
		a, b         digest.Digest
		content      []byte
		err          error
		same, differ bool
		asked        bool
	}{
		"equal":                    {a: short, b: short, same: true},
		"another":                  {a: short, b: digest.SHA256.FromBytes(other), differ: true},
		"another sha512":           {a: long, b: digest.SHA512.FromBytes(other), differ: true},
		"two algorithms":           {a: short, b: long, content: content, same: true, asked: true},
		"two algorithms, turned":   {a: long, b: short, content: content, same: true, asked: true},
		"of two contents":          {a: short, b: digest.SHA512.FromBytes(other), content: content, asked: true},
		"of two contents, turned":  {a: digest.SHA512.FromBytes(other), b: short, content: other, asked: true},
		"content that is neither":  {a: short, b: long, content: other, asked: true},
		"content that is not read": {a: short, b: long, err: fault, asked: true},
		"no digest":                {a: short, b: "latest", content: content, asked: true},
		"nothing":                  {a: short, b: "", content: content, asked: true},
		"an unknown algorithm":     {a: short, b: "md5:9a0364b9e99bb480dd25e1f0284c8555", content: content, asked: true},
	} {
		t.Run(name, func(t *testing.T) {
			asked := false
			same, err := Same(test.a, test.b, func() ([]byte, error) {
				asked = true
				return test.content, test.err
			})
			if same != test.same || !errors.Is(err, test.err) || asked != test.asked {
				t.Errorf("same %t (%v), asked %t", same, err, asked)
			}
			if Differ(test.a, test.b) != test.differ || Differ(test.b, test.a) != test.differ {
				t.Errorf("differ %t", !test.differ)
			}
		})
	}
}

func TestNames(t *testing.T) {
	for d, want := range map[digest.Digest]bool{
		digest.SHA256.FromString("content"):    true,
		digest.SHA512.FromString("content"):    true,
		digest.SHA256.FromString("other"):      false,
		"":                                     false,
		"latest":                               false,
		"sha256:short":                         false,
		"md5:9a0364b9e99bb480dd25e1f0284c8555": false,
	} {
		if got := Names(d, []byte("content")); got != want {
			t.Errorf("%q: %t", d, got)
		}
	}
}
