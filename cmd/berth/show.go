package main

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/berth-oci/berth/internal/config/load"
	"github.com/berth-oci/berth/kcl/eval"
)

func (a *app) showCommand() *cobra.Command {
	var format, schema string
	var explain bool
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Print the config with all defaults applied",
		Long: `Print the config with all defaults applied, as YAML, JSON or KCL; each is a
config itself, but for secrets: passwords, tokens and what a URL holds besides
scheme, host and port stand there as ***.

--explain prints one line for each value: the place that gave it, in the config,
in what it imports or in a schema, which makes it a default; what it is computed
from; and what it overrides where configs are merged. With --format json it is a
list of {"path", "value", "default", "schema", "place", "file", "line",
"column", "from", "overrides"}.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := oneOf("format", format, "yaml", "json", "kcl"); err != nil {
				return err
			}
			return interruptible(cmd.Context(), func() error {
				config, err := load.File(a.file, load.Options{Stdin: a.stdin, Name: a.name, Schema: schema, AllowFile: a.allowFile})
				if err != nil {
					return err
				}
				if explain {
					return a.explain(config, format)
				}
				return a.show(config, format)
			})
		},
	}
	cmd.Flags().StringVar(&format, "format", "yaml", "`FORMAT` of the result: yaml, json or kcl")
	cmd.Flags().BoolVar(&explain, "explain", false, "say where each value came from")
	schemaFlag(cmd, &schema)
	return cmd
}

func (a *app) show(config *load.Config, format string) error {
	plain, _ := eval.Plain(config.Value())
	switch format {
	case "json":
		return a.printJSON(plain)
	case "kcl":
		fmt.Fprint(a.stdout.exact(), config.KCL())
		return nil
	}
	var b strings.Builder
	eval.WriteYAML(&b, plain)
	fmt.Fprint(a.stdout.exact(), b.String())
	return nil
}

// explain prints each attribute with its value and the place it came from.
func (a *app) explain(config *load.Config, format string) error {
	origins := config.Origins()
	if format == "json" {
		return a.printJSON(origins)
	}
	width := 0
	for _, o := range origins {
		width = max(width, utf8.RuneCountInString(o.Path+": "+o.Value))
	}
	width = min(width, 72)
	for _, o := range origins {
		a.print("%-*s  # %s", width, o.Path+": "+o.Value, o)
	}
	return nil
}
