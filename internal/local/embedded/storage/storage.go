// Package storage opens the place where the built-in registry keeps its content:
// a directory, an S3 bucket, an Azure container, or memory, as the section
// "storage" of distribution's own config has it. It owns what is said of each of
// them: when something is durable, what an error means, how long a service may
// be silent. It does not know what is stored, nor where in it.
package storage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/distribution/distribution/v3/configuration"
	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"
	"github.com/distribution/distribution/v3/registry/storage/driver/base"
	"github.com/distribution/distribution/v3/registry/storage/driver/inmemory"
)

// ErrUnavailable is in the tree of an error when the storage did not answer, or
// answered that it cannot serve for now. Nothing is to be done but to try again:
// the same driver works as soon as the service is back.
var ErrUnavailable = errors.New("storage unavailable")

// Open returns the driver that a config names, after one look at whether it can
// be used. Its errors tell what to do; one of a service that does not answer is
// ErrUnavailable.
//
// All drivers give the same guarantees:
//
//   - PutContent replaces a content at once, so that readers see the old or the
//     new. What a Writer writes may be seen before it is committed: it belongs
//     under a name of its own until Move. Move replaces at once as well.
//   - A Writer that resumes continues after what was closed or committed, and its
//     Size counts every byte. After Write or Close failed, open another that resumes
//     and look at its Size. Close after Cancel is fine.
//   - Missing paths are storagedriver.PathNotFoundError for every method, Walk and
//     resumed Writers included. List is sorted. Walk shows a directory before what
//     is in it; the order of siblings differs.
//   - Errors unwrap to their cause, and what the function given to Walk returns
//     comes back as it is.
//   - Directories have a time in file systems only; in buckets, none when empty.
func Open(ctx context.Context, config configuration.Storage) (storagedriver.StorageDriver, error) {
	name, err := driverName(config)
	if err != nil {
		return nil, err
	}
	switch parameters := config[name]; name {
	case "filesystem":
		return openFilesystem(parameters)
	case "s3", "s3aws":
		return openS3(ctx, parameters)
	case "azure":
		return openAzure(ctx, parameters)
	case "inmemory":
		return &remote{StorageDriver: memory{inmemory.New()}, place: "memory"}, nil
	}
	return nil, fmt.Errorf("storage driver %q is unknown: use filesystem, s3 or azure", name)
}

// driverName returns the one key of a storage section that is a driver. The
// method of configuration.Storage for it panics when there are several.
func driverName(config configuration.Storage) (string, error) {
	var names []string
	for name := range config {
		switch name {
		case "maintenance", "cache", "delete", "redirect", "tag": // settings of the registry
		default:
			names = append(names, name)
		}
	}
	slices.Sort(names)
	switch len(names) {
	case 0:
		return "", errors.New("the config names no storage driver: give storage.filesystem, storage.s3 or storage.azure")
	case 1:
		return names[0], nil
	}
	return "", fmt.Errorf("the config names several storage drivers, %s: keep one", strings.Join(names, " and "))
}

func openFilesystem(parameters configuration.Parameters) (storagedriver.StorageDriver, error) {
	const fewest = 25 // threads, as in distribution
	root := "/var/lib/registry"
	if v, ok := parameters["rootdirectory"]; ok {
		root = fmt.Sprint(v)
	}
	driver, err := NewFilesystem(root)
	if err != nil {
		return nil, fmt.Errorf("storage.filesystem.rootdirectory: %w", err)
	}
	limit, ok := parameters["maxthreads"]
	if !ok {
		return driver, nil
	}
	threads, err := base.GetLimitFromParameter(limit, fewest, fewest)
	if err != nil {
		return nil, fmt.Errorf("storage.filesystem.maxthreads: %w", err)
	}
	return base.NewRegulator(driver, threads), nil
}

// memory is distribution's driver for tests, without its making up an upload that
// is to be resumed.
type memory struct{ storagedriver.StorageDriver }

// Writer implements storagedriver.StorageDriver.
func (m memory) Writer(ctx context.Context, path string, resume bool) (storagedriver.FileWriter, error) {
	if resume {
		if _, err := m.Stat(ctx, path); err != nil {
			return nil, err
		}
	}
	return m.StorageDriver.Writer(ctx, path, resume)
}

// probe looks at one path, to learn whether the service answers, knows who asks
// and has the bucket. The path need not exist, and nothing is listed.
func (r *remote) probe(ctx context.Context) error {
	_, err := r.Stat(ctx, "/docker")
	if errors.As(err, new(storagedriver.PathNotFoundError)) {
		return nil
	}
	return err
}

// Limits on how long a service may be silent. What it says, and what a client
// sends or takes, may last.
const (
	callLimit = 30 * time.Second // one small request with its retries
	dataLimit = 2 * time.Minute  // one part of an upload, one page of a listing
	longLimit = 5 * time.Minute  // many requests in one call, or a copy within the service
)
