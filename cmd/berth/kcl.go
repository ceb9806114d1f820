package main

import (
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/atomicfile"
	"github.com/berth-oci/berth/kcl"
)

func (a *app) kclCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "kcl",
		Short: "Run KCL programs",
		Args:  cobra.ArbitraryArgs,
		RunE:  unknownCommand,
	}
	cmd.AddCommand(a.kclRunCommand())
	return cmd
}

func (a *app) kclRunCommand() *cobra.Command {
	var opts kcl.Options
	var format, output string
	cmd := &cobra.Command{
		Use:   "run [FILE|DIR...]",
		Short: "Evaluate any KCL program and print its value",
		Long: `Evaluate any KCL program and print its value, as the kcl command does. Several
files make one program; - is standard input. Without a file it is the program of
the working directory: the files that its kcl.yaml or the [profile] of its
kcl.mod names, else all its .k files.`,
		Example: `  berth kcl run main.k -D env=prod
  berth kcl run --format json -S app.spec config/`,
		RunE: func(cmd *cobra.Command, files []string) error {
			if err := oneOf("format", format, "yaml", "json"); err != nil {
				return err
			}
			if a.file != "" || a.name != "" {
				return diag.Errorf(diag.Usage, "kcl run evaluates programs and uses no config").WithHint("name the program without -f: berth kcl run FILE")
			}
			opts.Files, opts.Stdin, opts.Print, opts.AllowFile = files, a.stdin, a.stdout.exact(), a.allowFile
			return interruptible(cmd.Context(), func() error { return a.kclRun(opts, format, output) })
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&format, "format", "yaml", "`FORMAT` of the result: yaml or json")
	flags.StringVarP(&output, "output", "o", "", "write the result to the file at `PATH`")
	flags.StringArrayVarP(&opts.Arguments, "argument", "D", nil, "`NAME=VALUE`: what option(NAME) returns, as JSON or text; repeatable")
	flags.StringArrayVarP(&opts.Settings, "setting", "Y", nil, "settings `FILE`, as kcl.yaml is one; repeatable, later ones win")
	flags.StringArrayVarP(&opts.Plan.Paths, "path_selector", "S", nil, "`PATH` of the part to print, as a.b.0; repeatable")
	flags.StringArrayVarP(&opts.Overrides, "overrides", "O", nil, "`CHANGE` of a config: PATH=VALUE, PATH:VALUE, PATH+=VALUE or PATH-; repeatable")
	flags.StringArrayVarP(&opts.Modules, "external", "E", nil, "`NAME=DIR`: where a module is; repeatable")
	flags.BoolVarP(&opts.Plan.DisableNone, "disable_none", "n", false, "leave out what is None")
	flags.BoolVarP(&opts.Plan.SortKeys, "sort_keys", "k", false, "sort the keys")
	flags.BoolVarP(&opts.Plan.ShowHidden, "show_hidden", "H", false, "print names that begin with _ too")
	return cmd
}

func (a *app) kclRun(opts kcl.Options, format, path string) error {
	result, err := kcl.Run(opts)
	if err != nil {
		return err
	}
	if len(result.Warnings.List) > 0 && !a.quiet {
		a.fail(result.Warnings)
	}
	text := result.YAML()
	if format == "json" {
		text = result.JSON()
	}
	if path == "" {
		path = result.File
	}
	switch {
	case text == "":
		return nil
	case path != "":
		return writeOutput(path, text+"\n")
	}
	if _, err := io.WriteString(a.stdout.exact(), text+"\n"); err != nil {
		return diag.Errorf(diag.Failed, "cannot write the result: %w", err)
	}
	return nil
}

// writeOutput replaces a file as a whole. What is no regular file, such as a
// pipe, is written to.
func writeOutput(path, text string) error {
	if target, err := atomicfile.Target(path); err == nil {
		path = target
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().IsRegular() {
		return atomicfile.Write(path, []byte(text), 0o644)
	}
	if err := os.WriteFile(path, []byte(text), 0); err != nil {
		return diag.Errorf(diag.StorageFailed, "cannot write the result: %w", err).WithHint("write elsewhere with -o PATH")
	}
	return nil
}
