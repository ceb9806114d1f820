package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/config/resolve"
	"github.com/berth-oci/berth/internal/local/engine"
)

func (a *app) statusCommand() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Say whether the local registry runs",
		Long:  "Say whether the local registry runs. Exits with 0 when it does and answers, else with 10.",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := oneOf("format", format, "text", "json"); err != nil {
				return err
			}
			target, config, err := a.leftTarget()
			if err != nil {
				return err
			}
			return a.status(cmd.Context(), target, config.Registry.Deployment == "disabled", format)
		},
	}
	formatFlag(cmd, &format)
	return cmd
}

// statusOutput is the JSON form of status. The fields of a process are left out
// when there is none.
type statusOutput struct {
	Status   engine.Phase `json:"status"`
	Endpoint string       `json:"endpoint"`
	DataDir  string       `json:"data_dir"`
	LogFile  string       `json:"log_file"`

	PID     int        `json:"pid,omitempty"`
	Started *time.Time `json:"started,omitempty"`
	Uptime  int        `json:"uptime,omitempty"` // seconds
	Address string     `json:"address,omitempty"`
	Product string     `json:"product,omitempty"`
	Version string     `json:"version,omitempty"` // of berth
	Config  string     `json:"config,omitempty"`  // berth's
	Native  string     `json:"native_config,omitempty"`
	Fault   string     `json:"fault,omitempty"`
	Holder  string     `json:"holder,omitempty"` // of the port, where the registry is stopped
}

func (a *app) status(ctx context.Context, t *resolve.Target, disabled bool, format string) error {
	s, err := engine.Inspect(ctx, t.Local.DataDir)
	if err != nil {
		return placed(t, err)
	}
	out := statusOutput{Status: s.Phase, Endpoint: t.Endpoint.URL().String(), DataDir: t.Local.DataDir, LogFile: t.Local.LogFile}
	if s.PID == 0 {
		out.Holder = engine.Listener(ctx, t.Local.Listen())
	} else {
		out.Endpoint, out.LogFile = s.Endpoint, s.LogFile
		out.PID, out.Started, out.Uptime = s.PID, &s.Started, int(time.Since(s.Started).Seconds())
		out.Address, out.Product, out.Version, out.Config, out.Native = s.Address, s.Product, s.Version, s.Source, s.Config
	}
	if s.Fault != nil {
		out.Fault = s.Fault.Error()
	}
	if err := a.renderStatus(out, format); err != nil {
		return err
	}
	switch s.Phase {
	case engine.Running:
		return nil
	case engine.Busy:
		return s.Fault
	case engine.Unhealthy:
		return diag.Errorf(diag.NotRunning, "the registry does not answer: %w", s.Fault).
			WithHint("see %s, or start it afresh with berth restart", out.LogFile)
	}
	switch {
	case out.Holder != "":
		return diag.Errorf(diag.NotRunning, "no registry runs from %s, and %s is in use by %s", out.DataDir, t.Local.Listen(), out.Holder).
			WithHint("if that is a registry, stop it with berth down and its own config; anything else needs another port")
	case disabled:
		return diag.Errorf(diag.NotRunning, "the registry is not running, and it is disabled").
			WithHint(`set deployment to "local" and start it with berth up`)
	}
	return diag.Errorf(diag.NotRunning, "the registry is not running").WithHint("start it with berth up")
}

func (a *app) renderStatus(out statusOutput, format string) error {
	if format == "json" {
		return a.printJSON(out)
	}
	line := func(name string, value any) { a.print("%-9s %v", name, value) }
	line("status", out.Status)
	if out.PID != 0 {
		line("pid", out.PID)
		line("uptime", time.Duration(out.Uptime)*time.Second)
		line("product", out.Product)
		line("address", out.Address)
	}
	line("endpoint", out.Endpoint)
	line("data", out.DataDir)
	line("log", out.LogFile)
	return nil
}
