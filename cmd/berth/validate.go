package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/load"
	"github.com/berth-oci/berth/internal/resolve"
)

func (a *app) validateCommand() *cobra.Command {
	var format, schema string
	cmd := &cobra.Command{
		Use:   "validate [FILE...]",
		Short: "Check configs and report every fault",
		Long: `Check configs, KCL, YAML or JSON, and report every fault at once, each at the
place of the offending value. Nothing is read but the configs and what they
import, and nothing is contacted.`,
		RunE: func(cmd *cobra.Command, files []string) error {
			if err := oneOf("format", format, "text", "json", "sarif", "github"); err != nil {
				return err
			}
			if len(files) == 0 {
				files = []string{a.file}
			}
			return a.validate(files, format, schema)
		},
	}
	cmd.Flags().StringVar(&format, "format", "text", "`FORMAT` of the result: text, json, sarif or github")
	cmd.Flags().StringVar(&schema, "schema", "", "`NAME` of the schema that YAML and JSON configs are instances of")
	return cmd
}

// verdict is the result for one config.
type verdict struct {
	File        string    `json:"file"`
	Valid       bool      `json:"valid"`
	Diagnostics diag.List `json:"diagnostics"`
}

// validate checks each file and renders all results in one go.
func (a *app) validate(files []string, format, schema string) error {
	all := &diag.Faults{Sources: map[string]diag.Source{}}
	var verdicts []verdict
	var failure error
	for _, file := range files {
		if found, err := load.Find(); file == "" && err == nil {
			file = found
		}
		config, err := load.File(file, load.Options{Stdin: a.stdin, Name: a.name, Schema: schema})
		var list diag.List
		var sources map[string]diag.Source
		if err == nil {
			file, sources = config.File, config.Sources
			list = warnings(config)
		} else {
			list, sources = diagnostics(err)
			if failure == nil || exitCode(err) > exitCode(failure) {
				failure = err
			}
		}
		all.List = append(all.List, list...)
		for name, src := range sources {
			all.Sources[name] = src
		}
		verdicts = append(verdicts, verdict{File: file, Valid: err == nil, Diagnostics: append(diag.List{}, list...)})
	}
	if err := a.renderVerdicts(verdicts, all, format); err != nil {
		return err
	}
	if failure != nil {
		return &silent{failure}
	}
	return nil
}

func (a *app) renderVerdicts(verdicts []verdict, all *diag.Faults, format string) error {
	switch format {
	case "json":
		return a.printJSON(verdicts)
	case "sarif":
		return diag.WriteSARIF(a.stdout, all.List, version(), 0)
	case "github":
		diag.WriteGitHub(a.stdout, all.List)
		return nil
	}
	a.style(a.stderr).WriteText(a.stderr, all.List, all.Sources)
	for _, v := range verdicts {
		if v.Valid {
			a.print("%s: valid", v.File)
		} else {
			a.note("%s: %s", v.File, plural(len(v.Diagnostics), "fault"))
		}
	}
	return nil
}

// warnings returns what will stop a valid config from being used.
func warnings(config *load.Config) diag.List {
	_, err := resolve.Resolve(config.Registry, config, options(config))
	var list diag.List
	if !errors.As(err, &list) {
		return nil
	}
	for _, d := range list {
		d.Severity = diag.Warning
	}
	return list
}

// silent is an error that was rendered already.
type silent struct{ error }

func (s *silent) Unwrap() error { return s.error }
