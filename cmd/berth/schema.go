package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/config/jsonschema"
	"github.com/berth-oci/berth/internal/config/load"
	"github.com/berth-oci/berth/schema"
)

func (a *app) schemaCommand() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "schema kcl|json",
		Short: "Print the schema of a config",
		Long: `Print the schema of a config: the KCL package itself, or a JSON Schema (draft
2020-12) that is made from it, which editors use for YAML and JSON configs.

The JSON Schema has the types, defaults, descriptions and, as far as JSON Schema
can say them, the checks. It never rejects what berth validate accepts; what it
lets through is listed in its $comment.

--schema FILE.k:NAME prints the JSON Schema of a schema of your own.`,
		ValidArgs: []string{"kcl", "json"},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return diag.Errorf(diag.Usage, "schema takes one argument, kcl or json").WithHint("see %s --help", cmd.CommandPath())
			}
			if err := oneOf("schema", args[0], "kcl", "json"); err != nil {
				return diag.Errorf(diag.Usage, "there is no schema in %s, only in kcl and json", args[0])
			}
			if args[0] == "kcl" {
				if name != "" {
					return diag.Errorf(diag.Usage, "--schema goes with json: in KCL a schema is its own file")
				}
				fmt.Fprint(a.stdout.exact(), schema.Source)
				return nil
			}
			return a.jsonSchema(name)
		},
	}
	schemaFlag(cmd, &name)
	return cmd
}

func (a *app) jsonSchema(name string) error {
	p, name, err := load.Schema(name, a.allowFile)
	if err != nil {
		return err
	}
	s, err := jsonschema.Generate(p, name)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.stdout.exact(), "%s\n", s.Text)
	return nil
}
