package main

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/content/cache"
)

func (a *app) cacheCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cache",
		Short: "Look at and tidy what is cached of artifacts on this machine",
		Long: "What berth fetches stays in a cache on this machine, verified again whenever it is\n" +
			"used: in $BERTH_CACHE_DIR, else $XDG_CACHE_HOME/berth, else ~/.cache/berth. Other\n" +
			"commands may use it meanwhile.",
		Args: cobra.ArbitraryArgs,
		RunE: unknownCommand,
	}
	cmd.AddCommand(a.cacheLsCommand(), a.cacheVerifyCommand(), a.cachePruneCommand())
	return cmd
}

// withCache calls work with the cache, open.
func (a *app) withCache(work func(*cache.Cache) error) error {
	dir, err := cache.Dir()
	if err != nil {
		return err
	}
	c, err := cache.Open(dir, nil)
	if err != nil {
		return err
	}
	defer c.Close()
	return work(c)
}

func (a *app) cacheLsCommand() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "ls",
		Short: "List what is cached, what was used last first",
		Long: "List what is cached, what was used last first. With --format json \"from\" says of each tag\n" +
			"how it came: by which scheme, verified how, from which registry of this machine.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := oneOf("format", format, "text", "json"); err != nil {
				return err
			}
			return a.withCache(func(c *cache.Cache) error {
				entries, err := c.List(cmd.Context())
				if err != nil || format == "json" {
					return a.result(entries, err)
				}
				return a.printEntries(entries)
			})
		},
	}
	formatFlag(cmd, &format)
	return cmd
}

func (a *app) printEntries(entries []cache.Entry) error {
	table := a.table()
	table.row("DIGEST", "SIZE", "USED", "FROM")
	for _, e := range entries {
		from := e.Tags
		if len(from) == 0 {
			from = e.Repositories
		}
		if e.Partial {
			from = []string{"(an interrupted download)"}
		}
		table.row(e.Digest, size(e.Size), e.Used.Local().Format("2006-01-02 15:04"), strings.Join(from, " "))
	}
	return table.print()
}

func (a *app) cacheVerifyCommand() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Hash everything that is cached, and remove what is damaged",
		Long: "Read all that is cached and compare it with its digests. What is damaged is removed,\n" +
			"and fetched again when it is needed. Exits with 9 when something was.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := oneOf("format", format, "text", "json"); err != nil {
				return err
			}
			return a.withCache(func(c *cache.Cache) error {
				a.working("verifying all that is cached")
				v, err := c.Verify(cmd.Context(), nil)
				if err != nil {
					return err
				}
				return a.printVerified(v, format)
			})
		},
	}
	formatFlag(cmd, &format)
	return cmd
}

func (a *app) printVerified(v cache.Verified, format string) error {
	if format == "json" {
		if err := a.printJSON(v); err != nil {
			return err
		}
	} else {
		for _, d := range v.Damaged {
			a.print("removed   %s", d)
		}
		a.print("verified %s, %s", plural(v.Blobs, "blob"), size(v.Bytes))
	}
	if n := len(v.Damaged); n > 0 {
		return diag.Errorf(diag.DigestMismatch, "%s damaged, and removed from the cache", plural(n, "blob")).
			WithHint("what is removed is fetched again when it is needed; check the disk if this happens again")
	}
	return nil
}

// unusedFor is how long what is cached is kept when prune is given no bound.
const unusedFor = 30 * 24 * time.Hour

func (a *app) cachePruneCommand() *cobra.Command {
	var olderThan, maxSize, format string
	var o cache.PruneOptions
	cmd := &cobra.Command{
		Use:   "prune",
		Short: "Remove what was not used for long from the cache",
		Long: "Remove what was not used for 30 days, or what the flags say, and what is left of\n" +
			"downloads that were interrupted more than a day ago. What another command is\n" +
			"fetching stays.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := oneOf("format", format, "text", "json"); err != nil {
				return err
			}
			var err error
			flags := cmd.Flags()
			if flags.Changed("older-than") {
				if o.OlderThan, err = parseAge("older-than", olderThan); err != nil {
					return err
				}
			}
			if flags.Changed("max-size") {
				if o.MaxBytes, err = parseSize("max-size", maxSize); err != nil {
					return err
				}
			}
			if !flags.Changed("older-than") && !flags.Changed("max-size") {
				o.OlderThan = unusedFor
			}
			return a.withCache(func(c *cache.Cache) error {
				p, err := c.Prune(cmd.Context(), o)
				if err != nil || format == "json" {
					return a.result(p, err)
				}
				verb := "freed"
				if o.DryRun {
					verb = "would free"
				}
				a.print("%s %s: %s, %s, %s", verb, size(p.Bytes), plural(p.Blobs, "blob"), plural(p.Partials, "interrupted download"), plural(p.Tags, "tag"))
				a.print("kept %s, %s", plural(p.Kept.Blobs, "blob"), size(p.Kept.Bytes))
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&olderThan, "older-than", "", "remove what was not used for `TIME`, as in 36h or 14d (default 30d, unless --max-size is given)")
	cmd.Flags().StringVar(&maxSize, "max-size", "", "remove what was not used for longest until no more than `SIZE` is left, as in 500MiB or 10GB")
	cmd.Flags().BoolVar(&o.All, "all", false, "remove everything")
	cmd.Flags().BoolVar(&o.DryRun, "dry-run", false, "remove nothing, and say what would be")
	formatFlag(cmd, &format)
	return cmd
}

// parseAge reads a duration as time.ParseDuration does, or a number of days.
func parseAge(flag, text string) (time.Duration, error) {
	age, err := time.ParseDuration(text)
	if days, ok := strings.CutSuffix(text, "d"); ok {
		var n float64
		if n, err = strconv.ParseFloat(days, 64); err == nil {
			age = time.Duration(min(n*24*float64(time.Hour), math.MaxInt64/2))
		}
	}
	if err != nil || age <= 0 {
		return 0, diag.Errorf(diag.Usage, "--%s %s is no time that has passed", flag, text).WithHint("write it as in 36h or 14d; --all removes everything")
	}
	return age, nil
}

// parseSize reads a number of bytes: 1GB is 1000 MB, 1GiB and 1G are 1024 MiB.
func parseSize(flag, text string) (int64, error) {
	number := strings.TrimRightFunc(text, func(r rune) bool { return r < '0' || r > '9' })
	unit, known := strings.ToLower(strings.TrimSpace(text[len(number):])), false
	factor := 1.0
	for i, prefix := range []string{"", "k", "m", "g", "t"} {
		switch {
		case unit == prefix+"b":
			factor, known = math.Pow(1000, float64(i)), true
		case unit == prefix, prefix != "" && unit == prefix+"ib":
			factor, known = math.Pow(1024, float64(i)), true
		}
	}
	n, err := strconv.ParseFloat(number, 64)
	if bytes := n * factor; err == nil && known && bytes >= 1 && bytes < math.MaxInt64 {
		return int64(bytes), nil
	}
	return 0, diag.Errorf(diag.Usage, "--%s %s is no size", flag, text).WithHint("write it as in 500MiB or 10GB; --all removes everything")
}
