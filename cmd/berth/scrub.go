package main

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/config/resolve"
	"github.com/berth-oci/berth/internal/content/artifact"
	"github.com/berth-oci/berth/internal/local/embedded/keeper"
	"github.com/berth-oci/berth/internal/local/embedded/store"
	"github.com/berth-oci/berth/internal/move/transfer"
)

func (a *app) scrubCommand() *cobra.Command {
	var from, format string
	cmd := &cobra.Command{
		Use:   "scrub",
		Short: "Verify every blob of the local registry",
		Long: "Read every blob of the local registry and compare it with its digest, at most\n" +
			"scrub_rate MiB a second. A pass that was stopped goes on where it was. What is\n" +
			"damaged is put in quarantine and not served any more; pushing it again mends it,\n" +
			"and so does --repair, from another registry with the same repositories. What tags\n" +
			"lead to and is missing is named and repaired too, and tags that lead to no\n" +
			"manifest are named.\n" +
			"Exits with 9 when something is damaged or missing and not repaired, or a tag leads\n" +
			"nowhere.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := oneOf("format", format, "text", "json"); err != nil {
				return err
			}
			target, config, err := a.localTarget()
			if err != nil {
				return err
			}
			var source *resolve.Target
			if from != "" {
				if source, err = artifact.ParseRegistry(target, from); err != nil {
					return err
				}
			}
			return a.keep(cmd.Context(), "scrub", target, config, func(ctx context.Context, s keeper.Store) error {
				return a.scrub(ctx, s, source, format)
			})
		},
	}
	cmd.Flags().StringVar(&from, "repair", "", "`REGISTRY` to fetch what is damaged from, as registry.example.com or http://127.0.0.1:5001")
	formatFlag(cmd, &format)
	return cmd
}

// mended is a damaged blob and what became of it.
type mended struct {
	store.Damage
	Repaired bool   `json:"repaired"`
	Why      string `json:"why,omitempty"` // it was not, though a repair was asked for
}

// scrub verifies, repairs from source unless that is nil, and renders.
func (a *app) scrub(ctx context.Context, s keeper.Store, source *resolve.Target, format string) error {
	a.working("verifying every blob; when it is interrupted, the next berth scrub goes on there")
	scrubbed, err := s.Scrub(ctx)
	if err != nil {
		return err
	}
	all, left, err := repairAll(ctx, s, source, scrubbed.Damaged)
	if err != nil {
		return err
	}
	if format == "json" {
		err = a.printJSON(struct {
			store.Scrubbed
			Damaged []mended `json:"damaged"`
		}{scrubbed, all})
		if err != nil {
			return err
		}
	} else {
		a.printScrub(scrubbed, all)
	}
	if left == 0 && len(scrubbed.Lost) > 0 {
		return diag.Errorf(diag.DigestMismatch, "%s lost, which garbage collection waits for", plural(len(scrubbed.Lost), "tag")).
			WithHint("push what it named again, or give it up: DELETE /v2/%s/manifests/%s", scrubbed.Lost[0].Repository, scrubbed.Lost[0].Tag)
	}
	if left == 0 && scrubbed.Unreadable > 0 {
		return diag.Errorf(diag.StorageFailed, "%s could not be read, which need not be damage", plural(scrubbed.Unreadable, "blob")).
			WithHint("the registry's log says why; run berth scrub again")
	}
	if left > 0 {
		state := "damaged and not served any more"
		if slices.ContainsFunc(all, func(m mended) bool { return m.Missing && !m.Repaired }) {
			state = "damaged or missing"
		}
		d := diag.Errorf(diag.DigestMismatch, "%s %s", plural(left, "blob"), state)
		if source == nil {
			return d.WithHint("push it again, or fetch it from another registry with berth scrub --repair REGISTRY")
		}
		return d.WithHint("push it again, or repair from a registry that has it")
	}
	return nil
}

func (a *app) printScrub(s store.Scrubbed, all []mended) {
	for _, m := range all {
		verb := "damaged "
		switch {
		case m.Repaired:
			verb = "repaired"
		case m.Missing:
			verb = "missing "
		}
		a.print("%s  %s", verb, m.Digest)
		for _, p := range m.Places {
			line := "          in " + p.Repository
			if len(p.Tags) > 0 {
				line += ", tags " + strings.Join(p.Tags, ", ")
			}
			a.print("%s", line)
		}
		if m.Why != "" {
			a.print("          not repaired: %s", m.Why)
		}
	}
	for _, t := range s.Lost {
		a.print("lost      tag %s of %s", t.Tag, t.Repository)
		a.print("          %s", t.Why)
	}
	took := s.Duration.Round(time.Millisecond).String()
	if s.Resumed {
		took += ", and what an interrupted pass took"
	}
	a.print("verified %s, %s (%s)", plural(s.Blobs, "blob"), size(s.Bytes), took)
}

// repairAll repairs from source, unless that is nil, and counts what is left.
// Its error is that of a store which is not there any more.
func repairAll(ctx context.Context, s keeper.Store, source *resolve.Target, damaged []store.Damage) (all []mended, left int, err error) {
	all = make([]mended, 0, len(damaged))
	var unreachable error // then source is not asked for every blob
	for _, d := range damaged {
		m := mended{Damage: d}
		if source != nil {
			cause := unreachable
			if cause == nil {
				cause = repair(ctx, s, source, d)
			}
			var fault *diag.Diagnostic
			switch {
			case ctx.Err() != nil:
				return nil, 0, ctx.Err()
			case errors.As(cause, &fault) && fault.Code == diag.NotRunning:
				return nil, 0, cause
			case fault != nil && fault.Code == diag.Unreachable:
				unreachable = cause
			}
			if cause != nil {
				m.Why = cause.Error()
			}
			m.Repaired = cause == nil
		}
		if !m.Repaired {
			left++
		}
		all = append(all, m)
	}
	return all, left, nil
}

// repair fetches a damaged blob from the first of its repositories where source
// has it.
func repair(ctx context.Context, s keeper.Store, source *resolve.Target, d store.Damage) (err error) {
	for _, p := range d.Places {
		err = transfer.Fetch(ctx, source, p.Repository, d.Digest, d.Size, func(r io.Reader) error { return s.Restore(ctx, d.Digest, r) })
		if err == nil {
			return nil
		}
	}
	return err
}
