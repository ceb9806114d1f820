package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/berth-oci/berth/diag"
)

// formatFlag adds --format to a command whose result is for people or programs.
func formatFlag(cmd *cobra.Command, format *string) {
	cmd.Flags().StringVar(format, "format", "text", "`FORMAT` of the result: text or json")
}

// platformFlag adds --platform to a command that can take one image of an index.
func platformFlag(cmd *cobra.Command, platform *string) {
	cmd.Flags().StringVar(platform, "platform", "", "`PLATFORM` to take of an image for several, as in linux/arm64 (default all)")
}

// oneOf checks the value of a flag that takes one of several words.
func oneOf(flag, value string, words ...string) error {
	if slices.Contains(words, value) {
		return nil
	}
	d := diag.Errorf(diag.Usage, "--%s %s is none of %s", flag, value, strings.Join(words, ", "))
	if near := diag.Nearest(value, words); near != "" {
		d.Hint = "did you mean " + near + "?"
	}
	return d
}

// noArgs refuses arguments.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return diag.Errorf(diag.Usage, "%s takes no arguments, found %q", cmd.CommandPath(), args[0]).
		WithHint("see %s --help", cmd.CommandPath())
}

// exactArgs asks for one argument of each name.
func exactArgs(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == len(names) {
			return nil
		}
		return diag.Errorf(diag.Usage, "%s takes %s, got %d arguments", cmd.CommandPath(), strings.Join(names, " and "), len(args)).
			WithHint("see %s --help", cmd.CommandPath())
	}
}

// atMostArgs allows up to n arguments.
func atMostArgs(n int, usage string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) <= n {
			return nil
		}
		return diag.Errorf(diag.Usage, "%s takes [%s], got %d arguments", cmd.CommandPath(), usage, len(args)).
			WithHint("see %s --help", cmd.CommandPath())
	}
}
