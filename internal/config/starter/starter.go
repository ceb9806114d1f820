// Package starter writes the configs that a new user begins with: small, valid
// and commented.
package starter

import (
	"strings"

	"github.com/berth-oci/berth/internal/config/load"
	"github.com/berth-oci/berth/kcl/eval"
)

// Options choose the config.
type Options struct {
	Type       string // one of Types
	Deployment string // one of Deployments; "" for the usual one of the type
	Format     string // one of Formats
}

// The words that Options take.
var (
	Types       = []string{"distribution", "zot", "harbor", "artifactory"}
	Deployments = []string{"local", "remote"}
	Formats     = []string{"kcl", "yaml", "json"}
)

// setting is one attribute of a starter config. Value is KCL, or the settings
// of a block.
type setting struct {
	comment string
	name    string
	value   string
	schema  string
	block   []setting
}

// Config returns the text of a config and the usual name of its file.
func Config(opts Options) (text, name string, err error) {
	deployment := opts.Deployment
	if deployment == "" {
		deployment = "local"
		if opts.Type == "harbor" || opts.Type == "artifactory" {
			deployment = "remote"
		}
	}
	schema, settings := settings(opts.Type, deployment)
	var b strings.Builder
	switch opts.Format {
	case "yaml":
		b.WriteString("# yaml-language-server: $schema=registry.schema.json\n# Write that file with: berth schema json > registry.schema.json\n")
		writeYAML(&b, settings, "")
		return b.String(), "registry.yaml", nil
	case "json":
		kcl := kclText(schema, settings)
		config, err := load.Text("", "registry.k", kcl, load.Options{})
		if err != nil {
			return "", "", err
		}
		return config.GivenJSON(), "registry.json", nil
	}
	return "# One OCI registry. berth validate checks this file, berth up runs the registry.\n" + kclText(schema, settings), "registry.k", nil
}

func kclText(schema string, settings []setting) string {
	var b strings.Builder
	b.WriteString(schema + " {\n")
	writeKCL(&b, settings, "    ")
	b.WriteString("}\n")
	return b.String()
}

func writeKCL(b *strings.Builder, settings []setting, indent string) {
	for _, s := range settings {
		if s.comment != "" {
			b.WriteString(indent + "# " + s.comment + "\n")
		}
		if s.block != nil {
			b.WriteString(indent + s.name + " = " + s.schema + " {\n")
			writeKCL(b, s.block, indent+"    ")
			b.WriteString(indent + "}\n")
			continue
		}
		b.WriteString(indent + s.name + " = " + s.value + "\n")
	}
}

func writeYAML(b *strings.Builder, settings []setting, indent string) {
	for _, s := range settings {
		if s.comment != "" {
			b.WriteString(indent + "# " + s.comment + "\n")
		}
		if s.block != nil {
			b.WriteString(indent + s.name + ":\n")
			writeYAML(b, s.block, indent+"  ")
			continue
		}
		value := s.value
		if value == "True" || value == "False" {
			value = strings.ToLower(value)
		}
		b.WriteString(indent + s.name + ": " + value + "\n")
	}
}

func settings(typ, deployment string) (schema string, list []setting) {
	schema = map[string]string{
		"distribution": "DistributionRegistryConfig", "zot": "ZotRegistryConfig",
		"harbor": "HarborRegistryConfig", "artifactory": "ArtifactoryRegistryConfig",
	}[typ]
	str := func(s string) string { return eval.KCL(eval.String(s)) }
	list = []setting{
		{comment: "local runs the registry on this machine, remote uses one elsewhere", name: "deployment", value: str(deployment)},
		{name: "type", value: str(typ)},
	}
	if deployment == "local" {
		dir := "~/.local/share/berth/" + typ
		config := map[string]string{"zot": "/config.json"}[typ]
		if config == "" {
			config = "/config.yml"
		}
		list = append(list,
			setting{comment: "Where clients reach it", name: "endpoint", value: str("localhost")},
			setting{name: "port", value: "5000"},
			setting{name: "local", schema: "LocalOCIConfig", block: []setting{
				{comment: "Everything the registry stores is in here", name: "data_dir", value: str(dir)},
				{comment: "The registry's own config, which berth writes", name: "config_path", value: str(dir + config)},
			}})
	} else {
		list = append(list,
			setting{comment: "Host name of the registry, without scheme or port", name: "endpoint", value: str("registry.example.com")},
			setting{name: "tls_enabled", value: "True"},
			setting{comment: "Credentials are read from files", name: "auth_required", value: "True"},
			setting{name: "username", value: str("berth")},
			setting{name: "password_path", value: str("~/.config/berth/password")},
			setting{name: "remote", schema: "RemoteOCIConfig", block: []setting{
				{comment: "Seconds, and how often a failed request is tried again", name: "timeout", value: "30"},
				{name: "retries", value: "3"},
			}})
	}
	switch typ {
	case "harbor":
		list = append(list, setting{name: "harbor_config", schema: "HarborConfig", block: []setting{
			{comment: "The project that the namespaces live in", name: "project", value: str("library")}}})
	case "artifactory":
		list = append(list, setting{name: "artifactory_config", schema: "ArtifactoryConfig", block: []setting{
			{comment: "Key of the repository that the namespaces live in", name: "repository", value: str("oci-local")}}})
	}
	return schema, list
}
