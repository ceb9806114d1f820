package main

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/config/load"
	"github.com/berth-oci/berth/internal/config/resolve"
	"github.com/berth-oci/berth/internal/local/engine"
	"github.com/berth-oci/berth/internal/local/launch"
	"github.com/berth-oci/berth/internal/local/launch/distribution"
)

// upTimeout is how long a start may take: seconds on a busy machine.
const upTimeout = 60 * time.Second

// upOptions are the flags of up and restart.
type upOptions struct {
	engine  string
	timeout time.Duration
}

func (o *upOptions) flags(cmd *cobra.Command) {
	engineFlag(cmd, &o.engine)
	cmd.Flags().DurationVar(&o.timeout, "timeout", upTimeout, "how long the registry may take to answer")
}

func (o *upOptions) check() error {
	if o.timeout <= 0 {
		return diag.Errorf(diag.Usage, "--timeout %s leaves no time to start", o.timeout).WithHint("give it as in --timeout 90s")
	}
	return nil
}

func (a *app) upCommand() *cobra.Command {
	var opts upOptions
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start the local registry in the background",
		Long: "Start the local registry in the background and return when it answers. Prints its\n" +
			"endpoint. Without any config it starts a built-in one, for one developer.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := opts.check(); err != nil {
				return err
			}
			target, config, err := a.target()
			if err != nil {
				return err
			}
			return a.up(cmd.Context(), target, config, opts)
		},
	}
	opts.flags(cmd)
	return cmd
}

// up starts the registry and renders what came of it.
func (a *app) up(ctx context.Context, t *resolve.Target, config *load.Config, opts upOptions) error {
	u, err := unit(t, config, opts.engine)
	if err != nil {
		return err
	}
	l, err := a.launch(config, opts.engine)
	if err != nil {
		return err
	}
	if config.File == "" {
		a.note("no config found: using the built-in one")
	}
	state, started, err := engine.Up(ctx, u, l, opts.timeout)
	if err != nil {
		return placed(t, err)
	}
	switch {
	case started:
		a.note("%s is up: pid %d, log %s", u.Product, state.PID, state.LogFile)
		a.upNotes(t, config, u, opts.engine)
	case state.Digest != u.Digest():
		a.note("%s runs already, pid %d, with another config: apply this one with berth restart", state.Product, state.PID)
	case u.Fits != nil && !u.Fits():
		a.note("%s runs already, pid %d, with another user name or password: apply this one with berth restart", state.Product, state.PID)
	default:
		a.note("%s runs already: pid %d", state.Product, state.PID)
	}
	a.note("stop it with: %s", a.downLine(config))
	a.print("%s", state.Endpoint)
	return nil
}

// upNotes says what the registry that was started does not do.
func (a *app) upNotes(t *resolve.Target, config *load.Config, u engine.Unit, engineName string) {
	caps := launch.Find(products(), launch.Embedded).Caps
	if u.Program != "" {
		caps = distribution.Program()
	}
	a.notes(caps.Notes(t, config.Given))
	if engineName != "" {
		for _, line := range launch.Find(products(), t.Type).Differs {
			a.note("note: standing in for %s: %s", t.Type, line)
		}
	}
}

// ensureUp makes sure that the registry of t answers, for commands that need it
// when its config says auto_start. It says so when it had to be started.
func (a *app) ensureUp(ctx context.Context, t *resolve.Target, config *load.Config) error {
	if t.Local == nil || !t.Local.AutoStart {
		return nil
	}
	// Whatever runs there will do, as a stand-in that the user chose.
	if s, err := engine.Inspect(ctx, t.Local.DataDir); err == nil && s.Phase == engine.Running {
		return nil
	}
	u, err := unit(t, config, "")
	if err != nil {
		return err
	}
	l, err := a.launch(config, "")
	if err != nil {
		return err
	}
	state, started, err := engine.Up(ctx, u, l, upTimeout)
	if started {
		a.note("started %s at %s; stop it with: %s", u.Product, state.Endpoint, a.downLine(config))
	}
	return placed(t, err)
}

// launch is the command line that serves the same config in another process.
func (a *app) launch(config *load.Config, engineName string) (engine.Launch, error) {
	self, err := os.Executable()
	if err != nil {
		return engine.Launch{}, diag.Errorf(diag.Failed, "cannot find the berth program: %w", err).
			WithHint("run berth serve in the background instead")
	}
	l := engine.Launch{Program: self, Args: []string{"serve"}}
	switch config.File {
	case "": // the same directory and environment lead to the built-in config again
	case "-":
		l.Args, l.Stdin = append(l.Args, "-f", "-"), a.input.Bytes()
	default:
		file, err := filepath.Abs(config.File)
		if err != nil {
			return l, diag.Errorf(diag.Failed, "cannot find the working directory: %w", err)
		}
		l.Args = append(l.Args, "-f", file)
	}
	if a.name != "" {
		l.Args = append(l.Args, "--config", a.name)
	}
	if a.allowFile {
		l.Args = append(l.Args, "--allow-file")
	}
	if engineName != "" {
		l.Args = append(l.Args, "--engine", engineName)
	}
	return l, nil
}

// downLine is the command that stops what up started.
func (a *app) downLine(config *load.Config) string {
	line := "berth down"
	if config.File != "" {
		line += " -f " + shellWord(config.File)
	}
	if a.name != "" {
		line += " --config " + shellWord(a.name)
	}
	if a.allowFile {
		line += " --allow-file"
	}
	return line
}
