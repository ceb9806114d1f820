//go:build unix

package registry

import (
	"context"
	"fmt"
)

// Serve starts a registry on a free port, berth's own or the one called
// registry, with its files below dir. It ends with ctx, or with stop.
func Serve(ctx context.Context, name, program, dir string) (host string, stop func() error, err error) {
	all, err := contenders(Options{Berth: program, Registry: program, Only: name})
	if err != nil {
		return "", nil, err
	}
	for _, c := range all {
		if c.name == name {
			v, err := start(ctx, c, dir)
			if err != nil {
				return "", nil, err
			}
			return v.url[len("http://"):], v.stop, nil
		}
	}
	return "", nil, fmt.Errorf("no registry is called %s", name)
}
