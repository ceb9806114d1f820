package credential

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/atomicfile"
)

// Get returns the credential of a registry by its Keys, and where it is from: the
// file, or the name of a helper. An empty one, from "", means that none is
// stored.
//
// Errors: diag.CredentialUnread when the file or a helper cannot be used.
func (s Store) Get(ctx context.Context, keys []string) (c Credential, from string, err error) {
	_, doc, err := s.read()
	if err != nil {
		return Credential{}, "", err
	}
	for _, key := range keys {
		h := s.helperOf(doc, key)
		if h == nil {
			continue
		}
		if c, err := h.get(ctx, key); err != nil || !c.IsEmpty() {
			return c, h.name, err
		}
	}
	for _, key := range doc.entries(keys) {
		c, err := doc.Auths[key].credential()
		if err != nil {
			return Credential{}, "", diag.Errorf(diag.CredentialUnread, "%s: auth of %s: %w", s.File, key, err).
				WithHint("log in again: berth login %s", hostOf(key))
		}
		if !c.IsEmpty() { // an empty one says that a helper had it
			return c, s.File, nil
		}
	}
	return Credential{}, "", nil
}

// Put stores user name and password for a registry under the first of its Keys:
// with the helper that the file names for it, else in the file itself, as Docker
// does. It returns where, and whether that is plain text.
//
// Errors: diag.CredentialUnread when the file or a helper cannot be used,
// diag.StorageFailed when the file cannot be written.
func (s Store) Put(ctx context.Context, keys []string, c Credential) (where string, plain bool, err error) {
	data, doc, err := s.read()
	if err == nil {
		err = s.unambiguous(data)
	}
	if err != nil {
		return "", false, err
	}
	if s.File == "" {
		return "", false, diag.Errorf(diag.StorageFailed, "there is no home directory to store credentials in").
			WithHint("set HOME, or DOCKER_CONFIG to a directory")
	}
	key := keys[0]
	for _, k := range keys { // a helper for another name of the same registry
		if doc.Helpers[k] != "" {
			key = k
			break
		}
	}
	stored := entry{}
	where, plain = s.File, true
	if h := s.helperOf(doc, key); h != nil {
		if err := h.store(ctx, key, c); err != nil {
			return "", false, err
		}
		where, plain = h.name, false
	} else {
		stored.Auth = base64.StdEncoding.EncodeToString([]byte(c.Username + ":" + c.Password))
	}
	value, err := json.Marshal(stored)
	if err != nil {
		return "", false, err
	}
	// A helper may have taken long: the file is not what it was.
	err = s.update(ctx, func(data []byte, doc document) ([]byte, error) {
		if isBlank(data) {
			data = []byte("{\n}\n")
		}
		// Beside a helper stays an empty entry: other tools list these.
		data, err := setMember(data, "auths", key, value)
		if err != nil {
			return nil, s.broken(err)
		}
		// What other names of the registry held is out of date.
		return s.without(data, doc.entries(keys), key)
	})
	if err != nil {
		return "", false, err
	}
	return where, plain, nil
}

// without removes entries from the text of the file, all but one.
func (s Store) without(data []byte, entries []string, but string) (_ []byte, err error) {
	for _, key := range entries {
		if key == but {
			continue
		}
		if data, err = removeMember(data, "auths", key); err != nil {
			return nil, s.broken(err)
		}
	}
	return data, nil
}

// Erase removes what is stored for a registry, from helpers and file. It reports
// whether there was something.
//
// Errors: as of Put.
func (s Store) Erase(ctx context.Context, keys []string) (found bool, err error) {
	data, doc, err := s.read()
	if err == nil {
		err = s.unambiguous(data)
	}
	if err != nil {
		return false, err
	}
	var failed error
	for _, key := range keys {
		h := s.helperOf(doc, key)
		if h == nil {
			continue
		}
		c, err := h.get(ctx, key)
		if err == nil && !c.IsEmpty() {
			found, err = true, h.erase(ctx, key)
		}
		failed = errors.Join(failed, err)
	}
	// A helper that fails leaves no reason to keep what the file has.
	inFile, err := s.eraseEntries(ctx, keys)
	if err != nil {
		return found || inFile, err
	}
	return found || inFile, failed
}

// eraseEntries removes what the file itself has, and reports whether there was
// something. Where it has nothing, it need not be writable.
func (s Store) eraseEntries(ctx context.Context, keys []string) (found bool, err error) {
	_, doc, err := s.read()
	if err != nil {
		return false, err
	}
	if len(doc.entries(keys)) == 0 {
		if s.File != "" {
			atomicfile.Sweep(s.File)
		}
		return false, nil
	}
	err = s.update(ctx, func(data []byte, doc document) ([]byte, error) {
		entries := doc.entries(keys)
		for _, key := range entries {
			if c, err := doc.Auths[key].credential(); err != nil || !c.IsEmpty() {
				found = true
			}
		}
		return s.without(data, entries, "")
	})
	return found, err
}
