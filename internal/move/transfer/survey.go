package transfer

import (
	"context"
	"errors"
	"sync"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/berth-oci/berth/internal/base/oci"
)

// foresee asks what is below the root while the tags are looked at: the answers
// are needed whatever these name. end ends the asking.
func (p *publisher) foresee(ctx context.Context) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	var asking sync.WaitGroup
	asking.Go(func() {
		// What fails here fails again for whoever needs it.
		_ = p.survey(ctx, func(bool, error) error { return nil })
	})
	return func() {
		cancel()
		asking.Wait()
	}
}

// errIncomplete ends a look at what is there; no caller sees it.
var errIncomplete = errors.New("incomplete")

// complete reports whether the registry has all that is below the root.
func (p *publisher) complete(ctx context.Context) (bool, error) {
	err := p.survey(ctx, func(there bool, err error) error {
		if !there && err == nil {
			err = errIncomplete
		}
		return err
	})
	if errors.Is(err, errIncomplete) {
		return false, nil
	}
	return err == nil, err
}

// survey asks whether the registry has what is below the root: each thing once, as
// very many ways may lead to it. It ends with what judge makes of an answer, and
// goes on, also below what is missing, where that is nil.
func (p *publisher) survey(ctx context.Context, judge func(there bool, err error) error) error {
	group, ctx := errgroup.WithContext(ctx)
	var mu sync.Mutex
	seen := map[node]bool{}
	first := func(d ocispec.Descriptor) bool {
		mu.Lock()
		defer mu.Unlock()
		n := node{d.Digest, oci.IsManifest(d.MediaType)}
		known := seen[n]
		seen[n] = true
		return !known
	}
	var ask func(d ocispec.Descriptor, data []byte, depth int) error
	ask = func(d ocispec.Descriptor, data []byte, depth int) error {
		if depth > maxLevels {
			return endless(p.root)
		}
		m, err := parseManifest(d, data)
		if err != nil {
			return err
		}
		for _, below := range m.Below() {
			if !first(below) {
				continue
			}
			group.Go(func() error {
				data, err := p.answer(ctx, below, judge)
				if err != nil || data == nil {
					return err
				}
				return ask(below, data, depth+1)
			})
		}
		return nil
	}
	group.Go(func() error { return ask(p.root, p.data, 0) })
	return group.Wait()
}

// answer lets judge have what the registry says of d, and reads it when it is a
// manifest.
func (p *publisher) answer(ctx context.Context, d ocispec.Descriptor, judge func(there bool, err error) error) (data []byte, err error) {
	err = p.graph.slots.do(ctx, 0, func() error {
		if err := judge(p.Has(ctx, d)); err != nil || !oci.IsManifest(d.MediaType) {
			return err
		}
		data, err = p.graph.src.Manifest(ctx, d)
		return err
	})
	return data, err
}
