// Package embedded is the built-in registry: CNCF distribution v3 as a library
// behind a server of berth's own. It is configured from distribution's own
// config format, the same file that the real registry would read. It does not
// use distribution's debug server and Prometheus metrics, which are global to a
// process.
package embedded

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"reflect"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	"github.com/sirupsen/logrus"

	// What a config may name: linked in by importing.
	_ "github.com/distribution/distribution/v3/registry/auth/htpasswd"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem"

	"github.com/berth-oci/berth/internal/engine"
	"github.com/berth-oci/berth/internal/gate"
)

// Runner runs the built-in registry in this process. Log receives its log.
// Distribution logs through a global logger, so that of two registries in one
// process the later one's Log gets the messages of both.
type Runner struct {
	Log io.Writer
}

// Start implements engine.Runner: it listens and serves u.Content.
func (r Runner) Start(ctx context.Context, u engine.Unit) (engine.Instance, error) {
	config, err := Parse(u.Content)
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
	// Signs upload locations. Distribution makes one up as well, and warns of it.
	config.HTTP.Secret = rand.Text()
	logrus.SetOutput(r.Log)
	logrus.SetLevel(logrus.WarnLevel)
	logrus.SetFormatter(&logrus.TextFormatter{DisableColors: true, FullTimestamp: true})
	app, err := newApp(config)
	if err != nil {
		return nil, err
	}
	log := slog.New(slog.NewTextHandler(r.Log, nil))
	tlsConfig, err := serverTLS(config.HTTP.TLS, log)
	if err != nil {
		return nil, errors.Join(err, app.Shutdown())
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", config.HTTP.Addr)
	if err != nil {
		return nil, errors.Join(err, app.Shutdown())
	}
	s := &server{app: app, listener: listener, ended: make(chan struct{}), log: log}
	s.http = newServer(handler(app, config, log, u.Timeouts), u.Timeouts, log)
	s.http.TLSConfig = tlsConfig
	go s.serve()
	return s, nil
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
	// As configuration.Parse has them.
	if config.Catalog.MaxEntries <= 0 {
		config.Catalog.MaxEntries = 1000
	}
	if config.Tags.MaxTags <= 0 {
		config.Tags.MaxTags = 1000
	}
	return config, nil
}

// newApp turns the panics that distribution answers a bad config with into
// errors.
func newApp(config *configuration.Configuration) (app *handlers.App, err error) {
	defer func() {
		switch cause := recover().(type) {
		case nil:
		case error:
			err = fmt.Errorf("distribution: %w", cause)
		default:
			err = fmt.Errorf("distribution: %v", cause)
		}
	}()
	return handlers.NewApp(context.Background(), config), nil
}

// handler is the whole chain, outermost first.
func handler(app http.Handler, config *configuration.Configuration, log *slog.Logger, t engine.Timeouts) http.Handler {
	h := app
	h = headers(h, config.HTTP.Headers)
	h = gate.AccessLog(gate.CreateOnly(h), log)
	h = gate.Timeouts(h, t.Read, t.Write)
	return h
}

func headers(next http.Handler, fixed http.Header) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, values := range fixed {
			for _, v := range values {
				w.Header().Add(name, v)
			}
		}
		next.ServeHTTP(w, r)
	})
}
