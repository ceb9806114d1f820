package distribution

import (
	"maps"

	"github.com/berth-oci/berth/internal/local/launch"
)

// builtIn returns the capabilities of the built-in registry.
func builtIn() launch.Capabilities {
	native := launch.Cap{Level: launch.Native}
	return launch.Capabilities{
		launch.PasswordAuth:      native,
		launch.TokenAuth:         {Level: launch.Gate},
		launch.TLS:               native,
		launch.FilesystemStorage: native,
		launch.S3Storage:         native,
		launch.AzureStorage:      native,
		launch.Dedupe: {Level: launch.Native, Always: true,
			Note: "always: blobs are stored by digest, once for all repositories that name them"},
		launch.RollingTimeouts:   {Level: launch.Gate},
		launch.TrustedProxies:    {Level: launch.Gate},
		launch.GarbageCollection: native,
		launch.Scrub:             native,
	}
}

// Program returns the capabilities of the real program.
func Program() launch.Capabilities {
	caps := maps.Clone(builtIn())
	lacks := func(f launch.Feature, note string) {
		caps[f] = launch.Cap{Level: launch.Unsupported, Note: note}
	}
	lacks(launch.RollingTimeouts, "the registry program has no read, write and idle timeouts; the built-in registry does (without binary_path)")
	lacks(launch.TrustedProxies, "the registry program believes everyone's X-Forwarded-Proto and -Host; the built-in registry only trusted proxies' (without binary_path)")
	lacks(launch.TokenAuth, "leave binary_path out: the registry program takes no static tokens, the built-in registry does")
	lacks(launch.GarbageCollection, "the registry program collects garbage only while it is stopped, by its garbage-collect command; "+
		"the built-in registry does while it serves (without binary_path)")
	lacks(launch.Scrub, "the registry program does not verify what it stores; the built-in registry does (without binary_path)")
	return caps
}
