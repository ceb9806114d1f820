// Package embedded is the built-in registry: berth's own store and API on the
// storage drivers of CNCF distribution v3, behind a server of berth's own. It is
// configured from distribution's own config format, the same file that the real
// registry would read, with a section for what that does not know.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"reflect"
	"time"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/sirupsen/logrus"

	"github.com/berth-oci/berth/internal/local/embedded/api"
	"github.com/berth-oci/berth/internal/local/embedded/keeper"
	"github.com/berth-oci/berth/internal/local/embedded/settings"
	"github.com/berth-oci/berth/internal/local/embedded/storage"
	"github.com/berth-oci/berth/internal/local/embedded/store"
	"github.com/berth-oci/berth/internal/local/engine"
	"github.com/berth-oci/berth/internal/local/gate"
)

// Runner runs the built-in registry in this process. Log receives its log.
// Distribution's storage drivers log through a global logger, so that of two
// registries in one process the later one's Log gets the messages of both.
type Runner struct {
	Log io.Writer
}

// Start implements engine.Runner: it listens and serves u.Content.
func (r Runner) Start(ctx context.Context, u engine.Unit) (engine.Instance, error) {
	config, err := Parse(u.Content)
	if err != nil {
		return nil, err
	}
	logrus.SetOutput(r.Log)
	logrus.SetLevel(logrus.WarnLevel)
	logrus.SetFormatter(&logrus.TextFormatter{DisableColors: true, FullTimestamp: true})
	log := slog.New(slog.NewTextHandler(r.Log, nil))
	s, err := OpenStore(ctx, u, log)
	if err != nil {
		return nil, err
	}
	server, err := newServer(ctx, config, s, u, log)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	server.keeper, err = keeper.Start(s.Store, s.settings, u.Dir, log)
	if err != nil {
		return nil, errors.Join(err, server.listener.Close(), s.Close())
	}
	go server.serve()
	return server, nil
}

// OpenedStore is a store with the settings of the registry that it belongs to.
type OpenedStore struct {
	*store.Store
	settings settings.Settings
}

// Settings returns how the registry keeps its store.
func (s *OpenedStore) Settings() settings.Settings { return s.settings }

// OpenStore opens the store of a unit without serving it, for whoever holds the
// lock of its data directory.
func OpenStore(ctx context.Context, u engine.Unit, log *slog.Logger) (*OpenedStore, error) {
	config, err := Parse(u.Content)
	if err != nil {
		return nil, err
	}
	set, err := settings.Parse(u.Content)
	if err != nil {
		return nil, err
	}
	secrets, err := u.ReadSecrets()
	if err != nil {
		return nil, err
	}
	if err := applySecrets(config, secrets); err != nil {
		return nil, err
	}
	driver, err := storage.Open(ctx, config.Storage)
	if err != nil {
		return nil, err
	}
	options := store.Options{Log: log, Delay: set.GC.Delay, Untagged: set.GC.Untagged, Writers: divide(descriptors()).writes,
		Purge: func(ctx context.Context, before time.Time) (int, error) {
			return storage.PurgeMultiparts(ctx, driver, before)
		}}
	return &OpenedStore{Store: store.New(driver, options), settings: set}, nil
}

// newServer stacks the whole chain and listens.
func newServer(ctx context.Context, config *configuration.Configuration, s *OpenedStore, u engine.Unit, log *slog.Logger) (*server, error) {
	credentials, err := credentialsOf(config, s.settings)
	if err != nil {
		return nil, err
	}
	files := divide(descriptors())
	registry := api.New(s.Store, api.Options{
		Log: log, Client: client, Reads: files.reads, Identity: engine.RegistryID(u.Dir), Relative: config.HTTP.RelativeURLs,
	})
	chain, err := gate.New(registry, gate.Options{
		Log: log, Proxies: s.settings.TrustedProxies, Read: u.Timeouts.Read, Write: u.Timeouts.Write, Credentials: credentials,
		Ready: ready(s.Store, log), Headers: config.HTTP.Headers,
	})
	if err != nil {
		return nil, err
	}
	tlsConfig, err := serverTLS(config.HTTP.TLS, log)
	if err != nil {
		return nil, err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", config.HTTP.Addr)
	if err != nil {
		return nil, err
	}
	h := newHTTP(chain, u.Timeouts, log)
	h.TLSConfig = tlsConfig
	limited := newConnections(listener, files.connections)
	h.ConnState = limited.state
	return &server{store: s, http: h, listener: limited, ended: make(chan struct{}), log: log}, nil
}

// ready is what /readyz asks. What the storage says is logged and not told: anyone
// may ask, and it may name paths and hosts.
func ready(s *store.Store, log *slog.Logger) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := s.Ready(ctx); err != nil {
			log.Warn("not ready", "error", err)
			return errors.New("the storage failed or cannot be reached; the registry's log says more")
		}
		return nil
	}
}

// credentialsOf fails for a way to authenticate that only the real registry
// knows: to leave it out would open the door.
func credentialsOf(config *configuration.Configuration, set settings.Settings) (gate.Credentials, error) {
	c := gate.Credentials{Tokens: set.Tokens}
	for kind, parameters := range config.Auth {
		if kind != "htpasswd" {
			return c, fmt.Errorf("auth.%s is not something that the built-in registry can do: use htpasswd", kind)
		}
		c.Passwords, _ = parameters["path"].(string)
		c.Realm, _ = parameters["realm"].(string)
		if c.Passwords == "" {
			return c, errors.New("auth.htpasswd has no path")
		}
		// Distribution would make up a user for a file that is not there.
		if _, err := os.Stat(c.Passwords); err != nil {
			return c, err
		}
	}
	return c, nil
}

// Parse reads a distribution config of version 0.1. Unlike distribution it does
// not let REGISTRY_ variables of the environment override the file, which would
// make it untrue.
func Parse(content []byte) (*configuration.Configuration, error) {
	const noPrefix = "\x00" // that no variable can have
	config := new(configuration.Configuration)
	err := configuration.NewParser(noPrefix, []configuration.VersionedParseInfo{{
		Version:        configuration.MajorMinorVersion(0, 1),
		ParseAs:        reflect.TypeFor[configuration.Configuration](),
		ConversionFunc: func(c any) (any, error) { return c, nil },
	}}).Parse(content, config)
	if err != nil {
		return nil, fmt.Errorf("distribution config: %w", err)
	}
	return config, nil
}
