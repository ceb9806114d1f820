package main

import (
	"cmp"
	"errors"

	"github.com/spf13/cobra"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/config/load"
	"github.com/berth-oci/berth/internal/config/resolve"
)

func (a *app) validateCommand() *cobra.Command {
	var format, schema string
	cmd := &cobra.Command{
		Use:   "validate [FILE...]",
		Short: "Check configs and report every fault",
		Long: `Check configs, KCL, YAML or JSON, and report every fault at once, each at the
place of the offending value. A directory is a KCL package, - is standard
input. Nothing is read but the configs and what they import, and nothing is
contacted.

--schema NAME asks for instances of one schema: a built-in one, or with
FILE.k:NAME or DIRECTORY:NAME one of your own, which derives from
OCIRegistryConfig. YAML and JSON configs become instances of it.

--format json prints a list with {"file", "valid", "diagnostics"} for each
config. A diagnostic has "code", "severity", "exit", "message" and where known
"path", "file", "line", "column", "end_line", "end_column", "hint" and
"related", a list of further places with a "message".`,
		RunE: func(cmd *cobra.Command, files []string) error {
			if err := oneOf("format", format, "text", "json", "sarif", "github"); err != nil {
				return err
			}
			if len(files) == 0 {
				files = []string{a.file}
			}
			return interruptible(cmd.Context(), func() error { return a.validate(files, format, schema) })
		},
	}
	cmd.Flags().StringVar(&format, "format", "text", "`FORMAT` of the result: text, json, sarif or github")
	schemaFlag(cmd, &schema)
	return cmd
}

// schemaFlag adds --schema to a command that reads a config.
func schemaFlag(cmd *cobra.Command, schema *string) {
	cmd.Flags().StringVar(schema, "schema", "", "the schema of the registry: `[PATH:]NAME`, PATH being a .k file or a directory (default what the type of a YAML or JSON config implies)")
}

// verdict is the result for one config. Its JSON form is stable.
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
		file, config, err := a.check(file, schema)
		var list diag.List
		var sources map[string]diag.Source
		if err == nil {
			file, sources = config.File, config.Sources
			list = append(config.Warnings, findings(config)...)
			err = list.Err()
		} else {
			list, sources = diagnostics(err)
		}
		if err != nil && (failure == nil || exitCode(err) > exitCode(failure)) {
			failure = err
		}
		all.List = append(all.List, list...)
		for name, src := range sources {
			all.Sources[name] = src
		}
		verdicts = append(verdicts, verdict{File: file, Valid: err == nil, Diagnostics: append(diag.List{}, list...)})
	}
	exit := diag.ExitOK
	if failure != nil {
		exit = exitCode(failure)
	}
	if err := a.renderVerdicts(verdicts, all, format, exit); err != nil {
		return err
	}
	if failure != nil {
		return &silent{failure}
	}
	return nil
}

// check loads a config, and returns what to call it: where none is named, the one
// that is found, is refused, or would be found.
func (a *app) check(file, schema string) (string, *load.Config, error) {
	var err error
	if file == "" {
		file, err = load.Find(a.allowFile)
	}
	var config *load.Config
	if err == nil {
		config, err = load.File(file, load.Options{Stdin: a.stdin, Name: a.name, Schema: schema, AllowFile: a.allowFile})
	}
	if d, ok := errors.AsType[*diag.Diagnostic](err); ok {
		file = cmp.Or(file, d.Span.Start.File, "registry.k")
		if d.Span.Start.File == "" && file != "-" { // it is about the file as a whole
			d.Span.Start.File = file
		}
	}
	return file, config, err
}

func (a *app) renderVerdicts(verdicts []verdict, all *diag.Faults, format string, exit int) error {
	switch format {
	case "json":
		return a.printJSON(verdicts)
	case "sarif":
		return diag.WriteSARIF(a.stdout, all.List, version(), exit)
	case "github":
		diag.WriteGitHub(a.stdout, all.List)
		return nil
	}
	a.explainFaults(all.List, all.Sources)
	for _, v := range verdicts {
		if v.Valid {
			a.print("%s: valid", v.File)
		} else {
			a.note("%s: %s", v.File, plural(len(v.Diagnostics), "fault"))
		}
	}
	return nil
}

// findings returns what is wrong with a config beyond what its schema can tell,
// and, as warnings, what will stop a valid one from being used.
func findings(config *load.Config) diag.List {
	_, err := resolve.Resolve(config.Registry, config, options(config))
	var list diag.List
	if !errors.As(err, &list) {
		return nil
	}
	for _, d := range list {
		if d.Code != diag.CheckFailed {
			d.Severity = diag.Warning
		}
	}
	return list
}

// silent is an error that was rendered already.
type silent struct{ error }

func (s *silent) Unwrap() error { return s.error }
