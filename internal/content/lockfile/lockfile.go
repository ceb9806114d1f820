// Package lockfile owns berth.lock: which digest each tag had when it was
// locked, so that later pulls get the same content whatever the tags name by
// then.
package lockfile

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/atomicfile"
	"github.com/berth-oci/berth/internal/base/regular"
	"github.com/berth-oci/berth/internal/base/strictjson"
)

// Name is what the file is called, beside the config.
const Name = "berth.lock"

// format is the version of the file's form.
const format = 1

// File is a lockfile. Several processes may use one at a time.
type File struct{ name string }

// In returns the lockfile of a directory.
func In(dir string) File { return File{filepath.Join(dir, Name)} }

// content is sorted by reference, as encoding/json does, so that a change of one
// tag is a change of one line.
type content struct {
	Version   int                      `json:"version"`
	Artifacts map[string]digest.Digest `json:"artifacts"` // by host/repository:tag
}

// Digest returns what a reference, host/repository:tag, is locked to. It fails
// with diag.PolicyRefused when it is not, and with diag.ConfigUnread for a file
// that is no lockfile.
func (f File) Digest(reference string) (digest.Digest, error) {
	c, err := f.read()
	if err != nil {
		return "", err
	}
	d, ok := c.Artifacts[reference]
	if !ok {
		return "", diag.Errorf(diag.PolicyRefused, "%s is not in %s", reference, f.name).
			WithHint("pull it with --lock once, and keep the file with the config")
	}
	return d, nil
}

// Pins fails with diag.PolicyRefused unless some tag of a repository,
// host/repository, is locked to a digest, and otherwise as Digest does.
func (f File) Pins(repository string, d digest.Digest) error {
	c, err := f.read()
	if err != nil {
		return err
	}
	for reference, locked := range c.Artifacts {
		if locked == d && strings.HasPrefix(reference, repository+":") {
			return nil
		}
	}
	return diag.Errorf(diag.PolicyRefused, "%s has no tag of %s with the digest %s", f.name, repository, d).
		WithHint("pull it by its tag with --lock once, and keep the file with the config")
}

// Check fails as Digest does for a file that is no lockfile.
func (f File) Check() error {
	_, err := f.read()
	return err
}

// Lock notes what a reference leads to. Its errors are those of Digest, the
// context's and diag.StorageFailed.
func (f File) Lock(ctx context.Context, reference string, d digest.Digest) error {
	return atomicfile.Update(ctx, f.name, 0o644, f.text, func(old []byte) ([]byte, error) {
		c, err := f.parse(old)
		if err != nil || c.Artifacts[reference] == d {
			return old, err
		}
		c.Version, c.Artifacts[reference] = format, d
		data, err := json.MarshalIndent(c, "", "  ")
		return append(data, '\n'), err
	})
}

func (f File) read() (content, error) {
	data, err := f.text()
	if err != nil {
		return content{}, err
	}
	return f.parse(data)
}

// text returns what is in the file, nil for no file.
func (f File) text() ([]byte, error) {
	data, err := regular.ReadSmall(f.name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, f.unread(err)
	}
	return data, nil
}

func (f File) parse(data []byte) (content, error) {
	c := content{Artifacts: map[string]digest.Digest{}}
	if len(data) == 0 { // berth once kept an empty file of this name in data_dir
		return c, nil
	}
	err := c.decode(data)
	if err == nil && c.Version != format {
		err = errors.New("its version is not one that this berth knows")
	}
	for reference, d := range c.Artifacts {
		if err == nil && d.Validate() != nil {
			err = errors.New(reference + " has no digest")
		}
	}
	if err != nil {
		return c, f.unread(err)
	}
	return c, nil
}

func (f File) unread(err error) error {
	return diag.Errorf(diag.ConfigUnread, "cannot read %s: %w", f.name, err).
		WithHint("where a merge has left an entry twice, keep the one that is meant; else take the file back from version control, or remove it and pull with --lock again")
}

// decode reads a lockfile that means the same to whoever reads it: of two entries
// of one tag, as a merge may leave, none is taken.
func (c *content) decode(data []byte) error {
	return strictjson.Read(data, func(r *strictjson.Reader) {
		r.Object([]string{"version", "artifacts"}, func(name string) {
			switch name {
			case "version":
				c.Version = int(r.Int())
			case "artifacts":
				r.Object(nil, func(reference string) {
					c.Artifacts[strings.Clone(reference)] = digest.Digest(strings.Clone(r.String()))
				})
			default:
				r.Skip()
			}
		})
	})
}
