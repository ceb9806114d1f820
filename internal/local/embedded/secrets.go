package embedded

import (
	"fmt"
	"os"
	"strings"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/goccy/go-yaml"
)

// applySecrets sets what an environment variable of distribution would set, as
// REGISTRY_STORAGE_S3_SECRETKEY, whose value is YAML. Other variables are for the
// libraries below the storage drivers, which read them from the environment of
// the process and nowhere else. Its errors hold no value.
func applySecrets(config *configuration.Configuration, secrets map[string]string) error {
	for name, text := range secrets {
		path, ok := strings.CutPrefix(name, "REGISTRY_STORAGE_")
		if !ok {
			if err := os.Setenv(name, text); err != nil {
				return fmt.Errorf("secret %s cannot be set", name)
			}
			continue
		}
		driver, parameter, _ := strings.Cut(strings.ToLower(path), "_")
		parameters := config.Storage[driver]
		if parameters == nil {
			return fmt.Errorf("secret %s is for storage that the config does not have", name)
		}
		var value any
		if err := yaml.Unmarshal([]byte(text), &value); err != nil {
			return fmt.Errorf("secret %s is not YAML", name)
		}
		parameters[parameter] = value
	}
	return nil
}
