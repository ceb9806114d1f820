package access_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/berth-oci/berth/internal/base/access"
)

const hash = "$2y$05$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

func TestUsers(t *testing.T) {
	users, faults := access.Users("# people\r\n\r\n ann:" + hash + " \r\nrobot$ci:" + strings.Replace(hash, "$2y$05", "$2b$16", 1) + "\r\nJosé M:" + hash)
	if want := "[{ann " + hash + " 5} {robot$ci " + strings.Replace(hash, "$2y$05", "$2b$16", 1) + " 16} {José M " + hash + " 5}]"; fmt.Sprint(users) != want || faults != nil {
		t.Errorf("got %v %v", users, faults)
	}
	for content, want := range map[string]string{
		"":                  "",
		"\n \n# ann:x\n":    "",
		"word":              "line 1: not a user and a hash",
		":" + hash:          "line 1: not a user and a hash",
		"\n#\nann:secret":   "line 3: not a bcrypt hash",
		"ann:":              "line 1: not a bcrypt hash",
		"ann:{SHA}secret":   "line 1: not a bcrypt hash",
		"ann:$apr1$x$y":     "line 1: not a bcrypt hash",
		"ann:$6$x$y":        "line 1: not a bcrypt hash",
		"ann:" + hash[:59]:  "line 1: not a bcrypt hash",
		"ann:" + hash + ":": "line 1: not a bcrypt hash",
		"ann:" + strings.Replace(hash, "05", "31", 1): "line 1: a bcrypt hash of cost 31, where 4 to 16 can be used",
		"ann:" + strings.Replace(hash, "05", "03", 1): "line 1: a bcrypt hash of cost 3",
		"ann:" + strings.Replace(hash, "05", "xx", 1): "line 1: not a bcrypt hash",
		"ann:" + hash + "\nann:" + hash:               `line 2: user "ann" is there already, in line 1`,
		"ann :" + hash:                                `line 1: the user name "ann " cannot be used`,
		"a\x00n:" + hash:                              `line 1: the user name "a\x00n" cannot be used`,
		"a\x1b[31m:" + hash:                           `line 1: the user name "a\x1b[31m" cannot be used`,
		"a\rb:" + hash:                                `line 1: the user name "a\rb" cannot be used`,
		"a\xff:" + hash:                               `line 1: the user name "a\xff" cannot be used`,
		"\ufeffann:" + hash:                           "line 1: a byte order mark before the first character",
	} {
		_, faults := access.Users(content)
		var got string
		if len(faults) > 0 {
			got = faults[0].Error()
		}
		if !strings.HasPrefix(got, want) || (got == "") != (want == "") || strings.Contains(got, "secret") {
			t.Errorf("%q: %s, want %s", content, got, want)
		}
	}
	// What is right beside what is wrong.
	users, faults = access.Users("word\nann:" + hash + "\nbob:x\n")
	if len(users) != 1 || len(faults) != 2 {
		t.Errorf("got %v %v", users, faults)
	}
}

func TestNamesAndPasswords(t *testing.T) {
	for name, want := range map[string]bool{
		"a": true, "robot$ci": true, "a b": true, "a#": true, "é": true, strings.Repeat("a", 255): true,
		"": false, "a:b": false, "a\n": false, "\ta": false, "a\u0085b": false, " a": false, "a ": false, "#a": false, "\ufeffa": false, "\xff": false, strings.Repeat("a", 256): false,
	} {
		if err := access.CheckName(name); (err == nil) != want {
			t.Errorf("name %q: %v", name, err)
		}
	}
	for password, want := range map[string]string{
		"a": "", " b ": "", "é:#": "", strings.Repeat("a", 72): "", strings.Repeat("é", 36): "",
		"": "is empty", strings.Repeat("a", 73): "is longer than 72 bytes", strings.Repeat("é", 37): "is longer than 72 bytes",
		"a\nb": "has line breaks", "a\x00": "has line breaks", "\ufeffa": "begins with a byte order mark",
	} {
		err := access.CheckPassword(password)
		if (err == nil) != (want == "") || err != nil && !strings.HasPrefix(err.Error(), want) {
			t.Errorf("password %q: %v", password, err)
		}
	}
}

func TestTokens(t *testing.T) {
	tokens, faults := access.Tokens("# machines\n\nabc.DEF_~+/-0==\r\n ci: second \nci:third\nann@lan:fourth\nfifth\nfifth\n")
	var ids []string
	for _, token := range tokens {
		ids = append(ids, token.ID()+"="+token.Secret)
	}
	if got, want := strings.Join(ids, " "), "3c7b7c95=abc.DEF_~+/-0== ci=second ci=third ann@lan=fourth 8e883092=fifth 8e883092=fifth"; got != want || faults != nil {
		t.Errorf("got %s %v", got, faults)
	}
	for content, want := range map[string]string{
		"": "", "#\n\n": "", "==": "line 1: no bearer token", "s3cret word": "line 1: no bearer token", "ok\nsécret": "line 2: no bearer token",
		"ci:": "line 1: no bearer token", "ci:a:b": "line 1: no bearer token", "ci:s3cret word": "line 1: no bearer token",
		":s3cret": "line 1: a name that no token can have", "c i:s3cret": "line 1: a name that no token can have", "-ci:s3cret": "line 1: a name that no token can have",
		strings.Repeat("c", 65) + ":s3cret": "line 1: a name that no token can have",
		"a:s3cret\nb:s3cret":                "line 2: a token that is there already, under another name",
		"s3cret\nb:s3cret":                  "line 2: a token that is there already, under another name",
		"\ufeffs3cret":                      "line 1: a byte order mark",
	} {
		_, faults := access.Tokens(content)
		var got string
		if len(faults) > 0 {
			got = faults[0].Error()
		}
		if !strings.HasPrefix(got, want) || (got == "") != (want == "") || strings.Contains(got, "cret") {
			t.Errorf("%q: %s, want %s", content, got, want)
		}
	}
}

// The fingerprint of a token does not depend on what else there is, and shows
// nothing of it.
func TestTokenIDs(t *testing.T) {
	with, _ := access.Tokens("first\n# a comment\nsecond\n")
	without, _ := access.Tokens("second\n")
	if with[1].ID() != without[0].ID() || with[0].ID() == with[1].ID() || len(with[0].ID()) != 8 {
		t.Errorf("ids are %s and %s, alone %s", with[0].ID(), with[1].ID(), without[0].ID())
	}
}

func FuzzFiles(f *testing.F) {
	f.Add("ann:" + hash + "\nci:token\n\ufeff#\r\n")
	f.Fuzz(func(t *testing.T, content string) {
		users, _ := access.Users(content)
		for _, u := range users {
			if again, faults := access.Users(u.Name + ":" + u.Hash + "\n"); len(faults) > 0 || again[0] != u {
				t.Errorf("user %q: %v", u.Name, faults)
			}
		}
		tokens, _ := access.Tokens(content)
		for _, token := range tokens {
			if again, fault := access.ParseToken(strings.TrimPrefix(token.Name+":"+token.Secret, ":")); fault != nil || again != token {
				t.Errorf("token %q: %v", token.Name+token.Secret, fault)
			}
		}
	})
}
