package main

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/spf13/cobra"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/config/load"
	"github.com/berth-oci/berth/internal/config/resolve"
	"github.com/berth-oci/berth/internal/content/artifact"
	"github.com/berth-oci/berth/internal/local/engine"
)

// app is what the commands share: streams and global flags. A command parses
// its arguments, calls one function of an internal package and renders.
type app struct {
	stdin          io.Reader
	stdout, stderr *terminal

	input   bytes.Buffer           // what was read of stdin: a config that a child process needs too
	sources map[string]diag.Source // of the config, for the frames of later errors

	file string // -f
	name string // --config
	// --allow-file: a config in KCL may use files, and consist of any
	allowFile bool
	quiet     bool
	verbose   bool
}

// run executes one command line and returns the exit code.
func (a *app) run(ctx context.Context, args []string) int {
	root := a.root()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil { // commands need not look at each line that they write
		err = a.stdout.unwritten()
	}
	if err == nil {
		return diag.ExitOK
	}
	err = outcome(ctx, err)
	var rendered *silent
	if !errors.As(err, &rendered) {
		a.fail(err)
	}
	return exitCode(err)
}

// outcome is what an error means for the user: the end of ctx is an interruption.
func outcome(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return diag.Errorf(diag.Interrupted, "interrupted")
	}
	return err
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "berth",
		Short:         "Run and feed an OCI registry from one declarative config",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.ArbitraryArgs,
		RunE:          unknownCommand,
	}
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	flags := root.PersistentFlags()
	flags.StringVarP(&a.file, "file", "f", "", "config `FILE`, - for standard input (default $BERTH_CONFIG, then registry.k, .yaml, .yml, .json here, then in $XDG_CONFIG_HOME/berth)")
	flags.StringVar(&a.name, "config", "", "`NAME` of the registry, where a config holds several")
	flags.BoolVar(&a.allowFile, "allow-file", false, "let KCL use files and the environment, and consist of files outside of its directory")
	flags.BoolVarP(&a.quiet, "quiet", "q", false, "say nothing but results and errors")
	flags.BoolVarP(&a.verbose, "verbose", "v", false, "say more of what is done")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return diag.Errorf(diag.Usage, "%w", err).WithHint("see %s --help", cmd.CommandPath())
	})
	root.AddCommand(a.commands()...)
	return root
}

// unknownCommand runs when the words name no command: none gets help.
func unknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	d := diag.Errorf(diag.Usage, "there is no command %s", args[0]).WithHint("see %s --help", cmd.CommandPath())
	var names []string
	for _, c := range cmd.Commands() {
		names = append(names, c.Name())
	}
	if near := diag.Nearest(args[0], names); near != "" {
		d.Hint = "did you mean " + near + "?"
	}
	return d
}

// target loads and resolves the config that the flags name, or the built-in one
// for one developer where there is none.
func (a *app) target() (*resolve.Target, *load.Config, error) {
	config, err := a.config()
	if err != nil {
		return nil, nil, err
	}
	target, err := resolve.Resolve(config.Registry, config, options(config))
	return target, config, err
}

// named is target for a command about one artifact, which its argument names. The
// config's registry is started when it is to be.
func (a *app) named(ctx context.Context, arg string) (*resolve.Target, artifact.Ref, error) {
	target, config, err := a.target()
	if err != nil {
		return nil, artifact.Ref{}, err
	}
	ref, err := artifact.ParseNamed(target, arg)
	if err != nil {
		return nil, artifact.Ref{}, err
	}
	return target, ref, a.ensureUp(ctx, target, config)
}

// options says where the paths of a config start and what it leaves out.
func options(config *load.Config) resolve.Options {
	return resolve.Options{Defaults: config.Defaults, Dir: config.Dir(), Identity: engine.RegistryID}
}

// config loads the config that the flags name, or the built-in one.
func (a *app) config() (*load.Config, error) {
	config, err := load.File(a.file, load.Options{Stdin: io.TeeReader(a.stdin, &a.input), Name: a.name, Solo: true, AllowFile: a.allowFile})
	if err == nil {
		a.sources = config.Sources
	}
	return config, err
}

// interruptible runs work that knows no context, such as evaluating a program or
// waiting for standard input, and returns at once when ctx is done. What work
// still does then ends with the process.
func interruptible(ctx context.Context, work func() error) error {
	done := make(chan error, 1)
	go func() { done <- work() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// exitCode is the only place where an error becomes an exit code.
func exitCode(err error) int {
	var d *diag.Diagnostic
	if errors.As(err, &d) {
		return d.Code.Exit()
	}
	return diag.ExitFailed
}
