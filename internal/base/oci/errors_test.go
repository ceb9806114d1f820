package oci

import "testing"

func TestErrorBody(t *testing.T) {
	for want, got := range map[string][]byte{
		`{"errors":[{"code":"NAME_INVALID","message":"<a> & \"b\""}]}`:             ErrorBody(CodeNameInvalid, `<a> & "b"`, nil),
		`{"errors":[{"code":"BLOB_UNKNOWN","message":"gone","detail":["x","y"]}]}`: ErrorBody(CodeBlobUnknown, "gone", []string{"x", "y"}),
	} {
		if string(got) != want {
			t.Errorf("%s, not %s", got, want)
		}
	}
}
