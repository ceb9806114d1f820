package credential

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"

	"github.com/berth-oci/berth/diag"
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
	h := s.helperOf(doc, key)
	if h != nil {
		if err := h.store(ctx, key, c); err != nil {
			return "", false, err
		}
	} else {
		stored.Auth = base64.StdEncoding.EncodeToString([]byte(c.Username + ":" + c.Password))
	}
	value, err := json.Marshal(stored)
	if err != nil {
		return "", false, err
	}
	// Beside a helper stays an empty entry: other tools list these.
	edited, err := setMember(data, "auths", key, value)
	if err != nil {
		return "", false, s.broken(err)
	}
	// What other names of the registry held is out of date.
	for _, old := range doc.entries(keys) {
		if old != key {
			if edited, err = removeMember(edited, "auths", old); err != nil {
				return "", false, s.broken(err)
			}
		}
	}
	if err := s.write(edited); err != nil {
		return "", false, err
	}
	if h != nil {
		return h.name, false, nil
	}
	return s.File, true, nil
}

// Erase removes what is stored for a registry, from helpers and file. It reports
// whether there was something.
//
// Errors: as of Put.
func (s Store) Erase(ctx context.Context, keys []string) (found bool, err error) {
	data, doc, err := s.read()
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
	edited := data
	for _, key := range doc.entries(keys) {
		if c, err := doc.Auths[key].credential(); err != nil || !c.IsEmpty() {
			found = true
		}
		if edited, err = removeMember(edited, "auths", key); err != nil {
			return found, s.broken(err)
		}
	}
	if string(edited) != string(data) {
		if err := s.write(edited); err != nil {
			return found, err
		}
	}
	return found, failed
}
