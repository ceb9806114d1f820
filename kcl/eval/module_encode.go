package eval

import (
	"encoding/base32"
	"encoding/base64"
	"strings"
	"unicode/utf8"
)

func base64Module() map[string]func(*call) Value {
	return map[string]func(*call) Value{
		"encode": func(c *call) Value { return c.newStr(base64.StdEncoding.EncodeToString([]byte(c.text(0, "value")))) },
		"decode": base64Decode,
	}
}

// base64Decode reads standard base64, with its padding or without.
func base64Decode(c *call) Value {
	s := c.text(0, "value")
	enc := base64.RawStdEncoding
	if strings.HasSuffix(s, "=") {
		enc = base64.StdEncoding
	}
	data, err := enc.Strict().DecodeString(s)
	if err != nil || strings.ContainsAny(s, "\r\n") {
		return c.errorf("%s is no base64", quote(s, '"'))
	}
	if !utf8.Valid(data) {
		return c.errorf("what is encoded is no UTF-8 text")
	}
	return c.newStr(string(data))
}

func base32Module() map[string]func(*call) Value {
	return map[string]func(*call) Value{
		"encode": func(c *call) Value { return c.newStr(base32.StdEncoding.EncodeToString([]byte(c.text(0, "value")))) },
		"decode": base32Decode,
	}
}

// base32Decode reads base32 in either case, with its padding or without. What
// is encoded may be cut short.
func base32Decode(c *call) Value {
	s := strings.ToUpper(strings.TrimRight(c.text(0, "value"), "="))
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	if strings.Trim(s, alphabet) != "" {
		return c.errorf("%s is no base32", quote(s, '"'))
	}
	var data []byte
	bits, n := 0, 0
	for i := range len(s) {
		bits, n = bits<<5|strings.IndexByte(alphabet, s[i]), n+5
		if n >= 8 {
			n -= 8
			data = append(data, byte(bits>>n))
			bits &= 1<<n - 1
		}
	}
	if !utf8.Valid(data) {
		return None{}
	}
	return c.newStr(string(data))
}
