package resolve

import (
	"errors"
	"io/fs"
	"strings"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/regular"
)

// Secret is a reference to a file that holds a password or token. The content
// is read when it is needed, never earlier, and never becomes part of a Target.
// The zero Secret refers to nothing.
type Secret struct {
	file string
}

// SecretFile refers to the secret in the named file.
func SecretFile(file string) Secret { return Secret{file: file} }

// IsSet reports whether the secret refers to a file.
func (s Secret) IsSet() bool { return s.file != "" }

// File returns the name of the file, or "".
func (s Secret) File() string { return s.file }

// Read returns the content of the file without its final line break. It fails
// with diag.CredentialUnread when the file cannot be read or holds nothing.
func (s Secret) Read() (string, error) {
	data, err := regular.ReadSmall(s.file)
	if err != nil {
		d := diag.Errorf(diag.CredentialUnread, "cannot read secret: %w", err)
		if errors.Is(err, fs.ErrNotExist) {
			return "", d.WithHint("create %s with the secret in it, readable only by you (chmod 600)", s.file)
		}
		return "", d.WithHint("make %s readable by the user that runs berth", s.file)
	}
	secret := strings.TrimRight(string(data), "\r\n")
	if secret == "" {
		return "", diag.Errorf(diag.CredentialUnread, "secret file %s is empty", s.file).
			WithHint("write the secret into it, on one line")
	}
	return secret, nil
}

// Lines is Read for a file of several secrets, one a line: blank lines, those that
// begin with # and space around a secret do not count. At least one is returned without an error.
func (s Secret) Lines() ([]string, error) {
	text, err := s.Read()
	if err != nil {
		return nil, err
	}
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			lines = append(lines, line)
		}
	}
	if lines == nil {
		return nil, diag.Errorf(diag.CredentialUnread, "secret file %s holds none", s.file).
			WithHint("write a secret into it, one a line")
	}
	return lines, nil
}

// String hides the secret, and so do all of fmt's verbs.
func (s Secret) String() string { return "***" }

// GoString hides the secret.
func (s Secret) GoString() string { return "***" }

// MarshalText hides the secret from every encoder.
func (s Secret) MarshalText() ([]byte, error) { return []byte("***"), nil }
