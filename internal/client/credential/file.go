package credential

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/atomicfile"
	"github.com/berth-oci/berth/internal/base/regular"
	"github.com/berth-oci/berth/internal/base/strictjson"
)

// document is the part of config.json that is about credentials.
// https://github.com/docker/cli/blob/v28.0.0/cli/config/configfile/file.go
type document struct {
	Auths   map[string]entry  `json:"auths"`
	Helpers map[string]string `json:"credHelpers"`
	Store   string            `json:"credsStore"`
}

// entry is the credential of one registry, possibly empty: a helper has it then.
type entry struct {
	Auth          string `json:"auth,omitempty"` // base64 of user:password
	Username      string `json:"username,omitempty"`
	Password      string `json:"password,omitempty"`
	IdentityToken string `json:"identitytoken,omitempty"`
	RegistryToken string `json:"registrytoken,omitempty"`
}

// maxFile bounds config.json, in bytes.
const maxFile = 4 << 20

// read returns the text of the file and what it says. No file says nothing.
func (s Store) read() ([]byte, document, error) {
	data, err := s.text()
	if err != nil {
		return nil, document{}, err
	}
	doc, err := s.parse(data)
	return data, doc, err
}

// text returns the text of the file, nil for none.
func (s Store) text() ([]byte, error) {
	if s.File == "" {
		return nil, nil
	}
	data, err := regular.Read(s.File, maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if regular.IsLimit(err) {
		return nil, s.broken(fmt.Errorf("it is larger than %d MiB", maxFile>>20))
	}
	if err != nil {
		return nil, diag.Errorf(diag.CredentialUnread, "cannot read Docker's credentials: %w", err).
			WithHint("make %s readable by the user that runs berth, or set DOCKER_CONFIG to another directory", s.File)
	}
	return data, nil
}

func (s Store) parse(data []byte) (doc document, err error) {
	if isBlank(data) {
		return doc, nil
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		return document{}, s.broken(err)
	}
	return doc, nil
}

// isBlank reports whether the file says nothing: some tools create it so.
func isBlank(data []byte) bool { return len(bytes.TrimSpace(data)) == 0 }

// unambiguous fails for a text in which an edit could miss what readers see: of two
// members of one name, or one in other letters, each reader takes what it wants.
func (s Store) unambiguous(data []byte) error {
	if isBlank(data) {
		return nil
	}
	err := strictjson.Read(data, func(r *strictjson.Reader) {
		r.Object([]string{"auths", "credHelpers", "credsStore"}, func(string) { r.Skip() })
	})
	if err != nil {
		return s.broken(err)
	}
	return nil
}

// update changes the file, readable by its owner only: it holds passwords.
func (s Store) update(ctx context.Context, edit func(data []byte, doc document) ([]byte, error)) error {
	name, err := atomicfile.Target(s.File)
	if err == nil {
		err = atomicfile.MkdirAll(filepath.Dir(name))
	}
	if err != nil {
		return s.unstored(err)
	}
	err = atomicfile.Update(ctx, s.File, 0o600, s.text, func(data []byte) ([]byte, error) {
		doc, err := s.parse(data)
		if err == nil {
			err = s.unambiguous(data)
		}
		if err != nil {
			return nil, err
		}
		return edit(data, doc)
	})
	if d, ok := errors.AsType[*diag.Diagnostic](err); ok && d.Code == diag.StorageFailed {
		return s.unstored(err)
	}
	return err
}

// unstored says that the file cannot be changed.
func (s Store) unstored(err error) error {
	return diag.Errorf(diag.StorageFailed, "cannot store credentials: %w", err).
		WithHint("check the permissions of %s, or set DOCKER_CONFIG to another directory", filepath.Dir(s.File))
}

// broken says what is wrong with the file. Errors of encoding/json quote at most
// a character of it.
func (s Store) broken(err error) error {
	return diag.Errorf(diag.CredentialUnread, "%s is not a config of Docker: %w", s.File, err).
		WithHint("mend the file, or set DOCKER_CONFIG to another directory")
}

// entries returns the keys of the file that are one of keys, the most exact
// first: as it is, then as a URL of older tools.
func (d document) entries(keys []string) (found []string) {
	sorted := slices.Sorted(maps.Keys(d.Auths))
	for _, key := range keys {
		if _, ok := d.Auths[key]; ok {
			found = append(found, key)
		}
		if key == hub { // only Docker Hub's key is a URL itself
			continue
		}
		for _, name := range sorted {
			if name != key && name != hub && hostOf(name) == key {
				found = append(found, name)
			}
		}
	}
	return found
}

func (e entry) credential() (Credential, error) {
	c := Credential{Username: e.Username, Password: e.Password, IdentityToken: e.IdentityToken, RegistryToken: e.RegistryToken}
	if e.Auth == "" {
		return c, nil
	}
	text, err := base64.StdEncoding.DecodeString(e.Auth)
	if err != nil {
		return Credential{}, errors.New("it is not base64") // the error would quote the secret
	}
	var ok bool
	// Docker once padded the text with zero bytes.
	if c.Username, c.Password, ok = strings.Cut(strings.TrimRight(string(text), "\x00"), ":"); !ok {
		return Credential{}, errors.New("it is not user:password in base64")
	}
	return c, nil
}
