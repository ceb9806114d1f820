package yaml

import (
	"errors"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// ErrRange is the error of a number that has no 64-bit form.
var ErrRange = errors.New("number out of range")

var (
	integer = regexp.MustCompile(`^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$`)
	float   = regexp.MustCompile(`^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$`)
)

// Scalar returns what a plain scalar means by the core schema of YAML 1.2.2
// (§10.3.2): nil, a bool, an int64, a float64 or a string. The error is ErrRange.
func Scalar(text string) (any, error) {
	switch text {
	case "", "~", "null", "Null", "NULL":
		return nil, nil
	case "true", "True", "TRUE":
		return true, nil
	case "false", "False", "FALSE":
		return false, nil
	case ".nan", ".NaN", ".NAN":
		return math.NaN(), nil
	}
	switch strings.TrimLeft(text, "+-") {
	case ".inf", ".Inf", ".INF":
		if text[0] == '-' {
			return math.Inf(-1), nil
		}
		return math.Inf(1), nil
	}
	switch {
	case integer.MatchString(text):
		base := 10
		if len(text) > 1 && (text[1] == 'o' || text[1] == 'x') {
			base = 0 // as the prefix says
		}
		n, err := strconv.ParseInt(text, base, 64)
		if err != nil {
			return nil, ErrRange
		}
		return n, nil
	case float.MatchString(text):
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, ErrRange
		}
		return f, nil
	}
	return text, nil
}

// Ambiguous reports whether a plain scalar is a number to YAML 1.1 and another
// one, or none, to YAML 1.2: an integer with a leading zero. Readers differ.
func Ambiguous(text string) bool {
	digits := strings.TrimLeft(text, "+-")
	return len(digits) > 1 && digits[0] == '0' && strings.Trim(digits, "0123456789") == ""
}
