package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/jsonschema"
	"github.com/berth-oci/berth/schema"
)

func (a *app) schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:       "schema kcl|json",
		Short:     "Print the schema of a config",
		Long:      "Print the schema of a config: the KCL package itself, or a JSON Schema that is made from it, which editors use for YAML and JSON configs.",
		ValidArgs: []string{"kcl", "json"},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return diag.Errorf(diag.Usage, "schema takes one argument, kcl or json").WithHint("see %s --help", cmd.CommandPath())
			}
			if err := oneOf("schema", args[0], "kcl", "json"); err != nil {
				return diag.Errorf(diag.Usage, "there is no schema in %s, only in kcl and json", args[0])
			}
			if args[0] == "kcl" {
				fmt.Fprint(a.stdout, schema.Source)
				return nil
			}
			text, err := jsonschema.Generate()
			if err != nil {
				return err
			}
			a.print("%s", text)
			return nil
		},
	}
}
