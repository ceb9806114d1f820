package eval

import (
	"crypto/md5"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"strings"

	textencoding "golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/unicode"
	"lukechampine.com/blake3"
)

func cryptoModule() map[string]func(*call) Value {
	return map[string]func(*call) Value{
		"md5":    digest(func(b []byte) []byte { h := md5.Sum(b); return h[:] }),
		"sha1":   digest(func(b []byte) []byte { h := sha1.Sum(b); return h[:] }),
		"sha224": digest(func(b []byte) []byte { h := sha256.Sum224(b); return h[:] }),
		"sha256": digest(sumSHA256),
		"sha384": digest(func(b []byte) []byte { h := sha512.Sum384(b); return h[:] }),
		"sha512": digest(func(b []byte) []byte { h := sha512.Sum512(b); return h[:] }),
		"blake3": digest(func(b []byte) []byte { h := blake3.Sum256(b); return h[:] }),
		"uuid":   cryptoUUID,
		"filesha256": func(c *call) Value {
			data, ok := c.readFile(c.text(0, "filepath"))
			if !ok {
				return bad{}
			}
			return String(hex.EncodeToString(sumSHA256(data)))
		},
	}
}

func sumSHA256(b []byte) []byte { h := sha256.Sum256(b); return h[:] }

// digest hashes a text in the encoding that the second argument names.
func digest(sum func([]byte) []byte) func(*call) Value {
	return func(c *call) Value {
		data := []byte(c.text(0, "value"))
		if name := c.arg(1, "encoding"); name != nil {
			var err error
			if data, err = encodeText(data, c.text(1, "encoding")); err != nil {
				return c.errorf("%v", err)
			}
		}
		return String(hex.EncodeToString(sum(data)))
	}
}

// encodeText writes text in an encoding of the WHATWG's standard. By that, the
// UTF-16 encodings are for reading only and UTF-8 is written instead.
func encodeText(text []byte, name string) ([]byte, error) {
	enc, err := htmlindex.Get(strings.ReplaceAll(name, " ", "-"))
	if err != nil {
		return nil, fmt.Errorf("encoding %s is not known", quote(name, '"'))
	}
	canonical, err := htmlindex.Name(enc)
	if err != nil || enc == unicode.UTF8 || enc == textencoding.Replacement || strings.HasPrefix(canonical, "utf-16") {
		return text, nil
	}
	out, err := enc.NewEncoder().Bytes(text)
	if err != nil {
		return nil, fmt.Errorf("the text has characters that %s lacks", canonical)
	}
	return out, nil
}

// cryptoUUID returns a random UUID (RFC 9562, version 4).
func cryptoUUID(*call) Value {
	var b [16]byte
	rand.Read(b[:]) // never fails
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return String(fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:]))
}
