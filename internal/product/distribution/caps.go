package distribution

import (
	"maps"

	"github.com/berth-oci/berth/internal/product"
)

// builtIn returns the capabilities of the built-in registry.
func builtIn() product.Capabilities {
	native := product.Cap{Level: product.Native}
	return product.Capabilities{
		product.PasswordAuth:      native,
		product.TokenAuth:         {Level: product.Gate},
		product.TLS:               native,
		product.FilesystemStorage: native,
		product.S3Storage:         native,
		product.AzureStorage:      native,
		product.Dedupe: {Level: product.Native, Always: true,
			Note: "always: blobs are stored by digest, once for all repositories that name them"},
		product.RollingTimeouts:   {Level: product.Gate},
		product.TrustedProxies:    {Level: product.Gate},
		product.GarbageCollection: native,
		product.Scrub:             native,
	}
}

// Program returns the capabilities of the real program.
func Program() product.Capabilities {
	caps := maps.Clone(builtIn())
	lacks := func(f product.Feature, note string) {
		caps[f] = product.Cap{Level: product.Unsupported, Note: note}
	}
	lacks(product.RollingTimeouts, "the registry program has no read, write and idle timeouts; the built-in registry does (without binary_path)")
	lacks(product.TrustedProxies, "the registry program believes everyone's X-Forwarded-Proto and -Host; the built-in registry only trusted proxies' (without binary_path)")
	lacks(product.TokenAuth, "leave binary_path out: the registry program takes no static tokens, the built-in registry does")
	lacks(product.GarbageCollection, "the registry program collects garbage only while it is stopped, by its garbage-collect command; "+
		"the built-in registry does while it serves (without binary_path)")
	lacks(product.Scrub, "the registry program does not verify what it stores; the built-in registry does (without binary_path)")
	return caps
}
