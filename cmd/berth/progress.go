package main

import (
	"os"
	"sync"

	"github.com/opencontainers/go-digest"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"github.com/berth-oci/berth/internal/transfer"
)

// progress draws the events of one operation: bars on a terminal, lines
// elsewhere, nothing with --quiet. Bars have no colour.
type progress struct {
	app *app

	mu    sync.Mutex
	bars  *mpb.Progress // nil without a terminal
	blobs map[digest.Digest]*mpb.Bar
	begun map[digest.Digest]bool
}

func (a *app) progress() *progress {
	p := &progress{app: a, blobs: map[digest.Digest]*mpb.Bar{}, begun: map[digest.Digest]bool{}}
	if f, ok := a.stderr.(*os.File); ok && !a.quiet && term.IsTerminal(int(f.Fd())) {
		p.bars = mpb.New(mpb.WithOutput(f), mpb.WithWidth(48))
	}
	return p
}

// event implements transfer.Events.
func (p *progress) event(e transfer.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e.Step {
	case transfer.Uploading, transfer.Downloading:
		p.bytes(e)
	case transfer.Packed:
		p.line("packed %s: %s", e.Name, size(e.Total))
	case transfer.Present:
		p.line("present %s", e.Digest)
	case transfer.Tagged:
		p.line("tagged %s", e.Name)
	case transfer.Unchanged:
		p.line("unchanged %s", e.Name)
	case transfer.Chosen:
		p.line("chose tag %s", e.Name)
	}
}

func (p *progress) bytes(e transfer.Event) {
	if p.bars == nil {
		if !p.begun[e.Digest] {
			p.begun[e.Digest] = true
			p.line("%s %s (%s)", e.Step, e.Digest, size(e.Total))
		}
		return
	}
	bar := p.blobs[e.Digest]
	if bar == nil {
		bar = p.bars.AddBar(e.Total, mpb.PrependDecorators(decor.Name(string(e.Step)+" "+e.Name)), mpb.AppendDecorators(decor.CountersKibiByte("% .1f / % .1f")))
		p.blobs[e.Digest] = bar
	}
	bar.SetCurrent(e.Done)
}

// line writes above the bars, if there are any.
func (p *progress) line(format string, args ...any) {
	if p.bars != nil && !p.app.quiet {
		above := *p.app
		above.stderr = p.bars
		above.note(format, args...)
		return
	}
	p.app.note(format, args...)
}

// close ends the bars, whole or not.
func (p *progress) close() {
	if p.bars == nil {
		return
	}
	for _, bar := range p.blobs {
		bar.Abort(false)
	}
	p.bars.Wait()
}
