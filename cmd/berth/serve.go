package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/berth-oci/berth/internal/local/embedded"
	"github.com/berth-oci/berth/internal/local/engine"
)

func (a *app) serveCommand() *cobra.Command {
	var engineName string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the local registry in the foreground",
		Long: "Run the local registry in the foreground until it is interrupted. Its log goes to\n" +
			"standard error, and its endpoint to standard output once it answers.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.serve(cmd.Context(), engineName) },
	}
	engineFlag(cmd, &engineName)
	return cmd
}

func (a *app) serve(ctx context.Context, engineName string) error {
	target, config, err := a.target()
	if err != nil {
		return err
	}
	u, err := unit(target, config, engineName)
	if err != nil {
		return err
	}
	// A second interrupt does not wait for the requests that the first one lets finish.
	defer context.AfterFunc(ctx, func() { signal.Reset(os.Interrupt, syscall.SIGTERM) })()
	defer a.followLog(u.LogFile)()
	var runner engine.Runner = embedded.Runner{Log: a.stderr}
	if u.Program != "" {
		runner = engine.Program{Output: a.stderr.exact()}
	}
	log := slog.New(slog.NewTextHandler(a.stderr, nil))
	err = engine.Serve(ctx, u, runner, log, func(s engine.State) { a.print("%s", s.Endpoint) })
	return placed(target, err)
}

// followLog lets the log be rotated where standard error is the registry's log
// file, as it is in the background: what is written next goes to the file of
// that name, and on SIGHUP it is looked for at once. The function that it
// returns ends that.
func (a *app) followLog(name string) (stop func()) {
	log := engine.FollowLog(name, os.Stderr)
	if log == nil {
		return func() {}
	}
	a.stderr = newTerminal(log)
	hangups, done := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(hangups, syscall.SIGHUP) // which Windows never sends
	go func() {
		defer close(done)
		for range hangups {
			log.Reopen()
		}
	}()
	return func() {
		signal.Stop(hangups)
		close(hangups)
		<-done
	}
}

// engineFlag adds --engine.
func engineFlag(cmd *cobra.Command, name *string) {
	cmd.Flags().StringVar(name, "engine", "", "`NAME` of what to run instead of the config's type: embedded, the built-in registry")
}
