package main

import (
	"encoding/json"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/move/transfer"
)

// jsonl is the format in which every event is a line of JSON, the result the
// last.
const jsonl = "jsonl"

// progress draws the events of one operation: bars on a terminal, lines
// elsewhere, nothing with --quiet. Bars have no colour. As jsonl they go to
// standard output instead.
type progress struct {
	app *app

	mu      sync.Mutex
	lines   *json.Encoder // nil for another format
	bars    *mpb.Progress // nil without a terminal
	blobs   map[digest.Digest]*mpb.Bar
	told    map[digest.Digest]time.Time // when a blob was last told of
	packing time.Time                   // when packing was
}

// tellEvery is how often a line of JSON tells how far a blob is.
const tellEvery = 200 * time.Millisecond

func (a *app) progress(format string) *progress {
	p := &progress{app: a, blobs: map[digest.Digest]*mpb.Bar{}, told: map[digest.Digest]time.Time{}}
	if format == jsonl {
		p.lines = json.NewEncoder(a.stdout)
		p.lines.SetEscapeHTML(false)
		return p
	}
	if f := a.stderr.file(); f != nil && !a.quiet {
		p.bars = mpb.New(mpb.WithOutput(f), mpb.WithWidth(48))
	}
	return p
}

// event implements transfer.Events.
func (p *progress) event(e transfer.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lines != nil {
		p.tell(e)
		return
	}
	switch e.Step {
	case transfer.Uploading, transfer.Downloading, transfer.Copying:
		p.bytes(e)
	case transfer.Packed:
		p.known(e)
		p.line("packed %s: %s", e.Name, size(e.Total))
	case transfer.Present, transfer.Mounted, transfer.Waiting:
		p.line("%s %s", e.Step, e.Digest)
	case transfer.Cached:
		p.line("from the cache %s", e.Digest)
	case transfer.Resumed:
		p.line("resumed %s at %s", e.Digest, size(e.Done))
	case transfer.Damaged:
		p.line("damaged in the cache, and not used: %s", e.Digest)
	case transfer.Stale:
		p.line("note: the registry does not answer; %s is as the cache has it, %s", e.Name, e.Digest)
	case transfer.Unrelated:
		p.line("note: left out %s: it is listed as a referrer, and is none, or is gone", e.Digest)
	case transfer.Tagged, transfer.Unchanged:
		p.line("%s %s", e.Step, e.Name)
	case transfer.Chosen:
		p.line("chose tag %s", e.Name)
	case transfer.Failed:
		p.line("failed %s: %s", e.Name, e.Error)
	}
}

// tell writes an event as JSON. How far a blob is comes now and then, and at its
// end.
func (p *progress) tell(e transfer.Event) {
	switch e.Step {
	case transfer.Packing:
		if time.Since(p.packing) < tellEvery {
			return
		}
		p.packing = time.Now()
	case transfer.Uploading, transfer.Downloading, transfer.Copying:
		if (e.Done < e.Total || e.Total == 0) && time.Since(p.told[e.Digest]) < tellEvery {
			return
		}
		p.told[e.Digest] = time.Now()
	}
	_ = p.lines.Encode(struct {
		Type string `json:"type"`
		transfer.Event
	}{"event", e})
}

func (p *progress) bytes(e transfer.Event) {
	if p.bars == nil {
		if p.told[e.Digest].IsZero() && e.Digest != "" {
			p.told[e.Digest] = time.Now()
			p.line("%s %s (%s)", e.Step, e.Digest, size(e.Total))
		}
		return
	}
	bar := p.blobs[e.Digest]
	if bar == nil {
		bar = p.bars.AddBar(e.Total, mpb.PrependDecorators(decor.Name(line("%s %s", e.Step, nameOf(e)))), mpb.AppendDecorators(decor.CountersKibiByte("% .1f / % .1f")))
		p.blobs[e.Digest] = bar
	}
	bar.SetCurrent(e.Done)
}

// known goes on with the bar of what was sent before its digest was known.
func (p *progress) known(e transfer.Event) {
	if bar := p.blobs[""]; bar != nil {
		bar.SetTotal(e.Total, false)
		p.blobs[e.Digest] = bar
		delete(p.blobs, "")
	}
}

// nameOf names a blob for a bar.
func nameOf(e transfer.Event) string {
	if e.Name != "" {
		return e.Name
	}
	return e.Digest.Encoded()[:12]
}

// line writes above the bars, if there are any.
func (p *progress) line(format string, args ...any) {
	if p.bars != nil && !p.app.quiet {
		above := *p.app
		above.stderr = newTerminal(p.bars)
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

// transferred ends an operation with its result in the format, unless it failed.
// text prints the result for people.
func (a *app) transferred(p *progress, format string, result any, err error, text func()) error {
	p.close()
	switch {
	case err != nil: // progressFlag tells it
	case format == jsonl:
		return p.lines.Encode(struct {
			Type   string `json:"type"`
			Result any    `json:"result"`
		}{"result", result})
	case format == "json":
		return a.printJSON(result)
	default:
		text()
	}
	return err
}

// progressFlag adds --format to a command that also tells how far it is. As jsonl
// the last line is the result or, whatever failed, the error.
func (a *app) progressFlag(cmd *cobra.Command, format *string) {
	cmd.Flags().StringVar(format, "format", "text", "`FORMAT` of the result: text, json, or jsonl for every event as a line of JSON")
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		err := run(cmd, args)
		if err != nil && *format == jsonl {
			a.errorLines(outcome(cmd.Context(), err))
		}
		return err
	}
}

// errorLines writes what an error is made of as lines of JSON.
func (a *app) errorLines(err error) {
	lines := json.NewEncoder(a.stdout)
	lines.SetEscapeHTML(false)
	list, _ := diagnostics(err)
	for _, d := range list {
		_ = lines.Encode(struct {
			Type    string    `json:"type"`
			Code    diag.Code `json:"code"`
			Message string    `json:"message"`
			Hint    string    `json:"hint,omitempty"`
		}{"error", d.Code, d.Message, d.Hint})
	}
}
