package storage

import (
	"context"
	"os"
	"path/filepath"

	"golang.org/x/sync/errgroup"
)

// Publish moves a committed file from to to, unless from is empty, and writes
// further files. They get their names in order, so that after a crash there is a
// beginning of it; all is on the disk when it returns. It waits for the disk
// twice, however many files there are: once for the contents and once for the
// names. After an error some of the files may be there.
func (d *Filesystem) Publish(ctx context.Context, from, to string, paths []string, contents [][]byte) error {
	var names []string
	move := func() error { return nil }
	if from != "" {
		source, err := d.local(ctx, from)
		if err != nil {
			return err
		}
		dest, err := d.local(ctx, to)
		if err != nil {
			return err
		}
		names = append(names, dest)
		move = func() error { return d.notFound(d.rename(source, dest), from) }
	}
	for _, p := range paths {
		name, err := d.local(ctx, p)
		if err != nil {
			return err
		}
		names = append(names, name)
	}
	temps := make([]string, len(paths))
	var write errgroup.Group
	for i := range paths {
		temps[i] = d.workName()
		defer os.Remove(temps[i])
		each(&write, len(paths), func() error { return writeSynced(temps[i], contents[i]) })
	}
	if err := write.Wait(); err != nil {
		return err
	}
	if err := move(); err != nil {
		return err
	}
	for i, temp := range temps {
		if err := d.rename(temp, names[len(names)-len(temps)+i]); err != nil {
			return err
		}
	}
	var settle errgroup.Group
	dirs := map[string]bool{}
	for _, name := range names {
		if dir := filepath.Dir(name); !dirs[dir] {
			dirs[dir] = true
			each(&settle, len(names), func() error { return d.fresh.settle(name) })
		}
	}
	return settle.Wait()
}

// each runs one of n pieces of work, beside the others where there are any.
func each(group *errgroup.Group, n int, work func() error) {
	if n > 1 {
		group.Go(work)
		return
	}
	if err := work(); err != nil {
		group.Go(func() error { return err })
	}
}
