package embedded

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/distribution/distribution/v3/configuration"

	"github.com/berth-oci/berth/internal/local/embedded/keeper"
	"github.com/berth-oci/berth/internal/local/engine"
	"github.com/berth-oci/berth/internal/local/gate"
)

// Bounds on what a client may send before it is known. Distribution's longest
// header is the upload state in a query, below 2 KiB.
const (
	headerTimeout = 10 * time.Second
	headerBytes   = 64 << 10
)

func newHTTP(h http.Handler, t engine.Timeouts, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		IdleTimeout:       t.Idle,
		ReadHeaderTimeout: headerTimeout,
		MaxHeaderBytes:    headerBytes,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		// It would answer "OPTIONS *" to everyone.
		DisableGeneralOptionsHandler: true,
	}
}

// server is an engine.Instance.
type server struct {
	store    *OpenedStore
	keeper   *keeper.Keeper
	http     *http.Server
	listener net.Listener
	log      *slog.Logger
	ended    chan struct{}
	err      error // once ended is closed
}

func (s *server) serve() {
	s.log.Info("listening", "address", s.Addr(), "tls", s.http.TLSConfig != nil)
	var err error
	if s.http.TLSConfig != nil {
		err = s.http.ServeTLS(s.listener, "", "")
	} else {
		err = s.http.Serve(s.listener)
	}
	if !errors.Is(err, http.ErrServerClosed) {
		s.err = err
	}
	close(s.ended)
}

// Addr implements engine.Instance.
func (s *server) Addr() string { return s.listener.Addr().String() }

// Wait implements engine.Instance.
func (s *server) Wait() error {
	<-s.ended
	return s.err
}

// Stop implements engine.Instance. Requests that still run when ctx is done are
// cut: an upload's client sees that and starts it again.
func (s *server) Stop(ctx context.Context) error {
	s.log.Info("stopping")
	err := s.http.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		s.log.Warn("requests still running were cut")
		err = s.http.Close()
	}
	<-s.ended
	err = errors.Join(err, s.keeper.Stop(), s.store.Close())
	s.log.Info("stopped")
	return err
}

// serverTLS returns nil when the config has no certificate.
func serverTLS(c configuration.TLS, log *slog.Logger) (*tls.Config, error) {
	if c.Certificate == "" {
		return nil, nil
	}
	return gate.Certificates{Cert: c.Certificate, Key: c.Key, ClientCAs: c.ClientCAs}.TLS(log)
}
