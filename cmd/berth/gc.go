package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/local/embedded/keeper"
	"github.com/berth-oci/berth/internal/local/embedded/store"
)

// gcOptions are the flags of gc.
type gcOptions struct {
	dryRun, explain bool
	delay           time.Duration
	delayGiven      bool
	format          string
}

func (a *app) gcCommand() *cobra.Command {
	var o gcOptions
	cmd := &cobra.Command{
		Use:   "gc",
		Short: "Collect garbage in the local registry",
		Long: "Remove what nothing needs from the local registry: manifests that no tag, index or\n" +
			"live subject leads to (gc_untagged), blobs that no manifest names, and abandoned\n" +
			"uploads. Pulls and pushes go on meanwhile. What was pushed of late and is not named\n" +
			"yet stays for gc_delay. A registry that is stopped is collected as well.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := oneOf("format", o.format, "text", "json"); err != nil {
				return err
			}
			o.delayGiven = cmd.Flags().Changed("delay")
			if o.delay < 0 {
				return diag.Errorf(diag.Usage, "--delay %s is negative", o.delay).WithHint("give it as in --delay 10m, or 0s for none")
			}
			target, config, err := a.localTarget()
			if err != nil {
				return err
			}
			return a.keep(cmd.Context(), "gc", target, config, func(ctx context.Context, s keeper.Store) error { return a.gc(ctx, s, o) })
		},
	}
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "remove nothing, and say what would be")
	cmd.Flags().BoolVar(&o.explain, "explain", false, "say of every manifest and blob why it stays or goes")
	cmd.Flags().DurationVar(&o.delay, "delay", 0, "instead of gc_delay; 0s takes also what a push that is under way has uploaded")
	formatFlag(cmd, &o.format)
	return cmd
}

func (a *app) gc(ctx context.Context, s keeper.Store, o gcOptions) error {
	var delay *time.Duration
	if o.delayGiven {
		delay = &o.delay
	}
	result := struct {
		store.Report
		Explained []store.Verdict `json:"explained,omitempty"`
	}{}
	var explain func(store.Verdict)
	explained := func() {}
	switch {
	case o.explain && o.format == "json":
		explain = func(v store.Verdict) { result.Explained = append(result.Explained, v) }
	case o.explain:
		explain, explained = a.verdicts(ctx, o.dryRun)
	}
	a.working("collecting garbage; interrupting it leaves the registry whole")
	var err error
	result.Report, err = s.Collect(ctx, o.dryRun, delay, explain)
	if explained(); err != nil {
		return err
	}
	if o.format == "json" {
		return a.printJSON(result)
	}
	r, verb := result.Report, "freed"
	if o.dryRun {
		verb = "would free"
	}
	a.print("%s %s: %s, %s, %s", verb, size(r.Freed.Bytes), plural(r.Freed.Blobs, "blob"), plural(r.Freed.Manifests, "manifest"),
		plural(r.Freed.Uploads, "abandoned upload"))
	a.print("kept %s and %s in %s (%s)", plural(r.Manifests, "manifest"), plural(r.Blobs, "blob"), plural(r.Repositories, "repository"),
		r.Duration.Round(time.Millisecond))
	return nil
}

// verdicts prints what explain is called with, until done is. Whoever reads it
// slowly, or not at all as a pager does, must not keep the collection from ending
// with ctx: that ends the printing as well.
func (a *app) verdicts(ctx context.Context, dryRun bool) (explain func(store.Verdict), done func()) {
	queue, printed := make(chan store.Verdict, 1024), make(chan struct{})
	go func() {
		defer close(printed)
		for v := range queue {
			a.printVerdict(v, dryRun)
		}
	}()
	explain = func(v store.Verdict) {
		select {
		case queue <- v:
		case <-ctx.Done():
		}
	}
	return explain, func() {
		close(queue)
		select {
		case <-printed:
		case <-ctx.Done():
		}
	}
}

func (a *app) printVerdict(v store.Verdict, dryRun bool) {
	what := v.Digest.String()
	if v.Repository != "" {
		what = v.Repository + "@" + what
	}
	verb := "kept"
	switch {
	case !v.Kept && dryRun:
		verb = "would go"
	case !v.Kept:
		verb = "removed"
	}
	a.print("%-8s  %-8s  %s  %s", verb, v.Kind, what, v.Why)
}
