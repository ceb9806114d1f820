package gate

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"

	"github.com/berth-oci/berth/internal/base/regular"
)

// Certificates names the PEM files of a server: its certificate with the chain,
// its key and, if clients may show certificates, those that issue them.
type Certificates struct {
	Cert, Key string
	ClientCAs []string
}

// TLS returns the configuration for an http.Server, over which it speaks HTTP/2
// as well. The files are looked at in handshakes, at most once a second, and read
// again when they have changed; files that do not fit together, as when only one
// of them is written yet, leave the old ones in force and log a warning.
// Connections that are open go on as they are.
//
// A client certificate is verified if one is given. It is not a login: Auth asks
// for one all the same.
//
// Sessions are resumed across changes, because their keys belong to the
// configuration that is returned and not to the one made for a connection;
// crypto/tls verifies a resumed client certificate against the issuers of now.
func (c Certificates) TLS(log *slog.Logger) (*tls.Config, error) {
	files, err := watch(log, func(*tls.Config) (*tls.Config, error) { return c.load() }, append([]string{c.Cert, c.Key}, c.ClientCAs...)...)
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return files.get(), nil },
	}, nil
}

func (c Certificates) load() (*tls.Config, error) {
	cert, err := regular.KeyPair(c.Cert, c.Key)
	if err != nil {
		return nil, fmt.Errorf("certificate %s: %w", c.Cert, err)
	}
	config := &tls.Config{
		Certificates: []tls.Certificate{cert},
		MinVersion:   tls.VersionTLS12,
		// http.Server adds these to its own configuration, which this one replaces.
		NextProtos: []string{"h2", "http/1.1"},
	}
	for _, name := range c.ClientCAs {
		pem, err := regular.ReadSmall(name)
		if err != nil {
			return nil, fmt.Errorf("client CAs: %w", err)
		}
		if config.ClientCAs == nil {
			config.ClientCAs = x509.NewCertPool()
			config.ClientAuth = tls.VerifyClientCertIfGiven
		}
		if !config.ClientCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("client CAs: %s holds no certificate", name)
		}
	}
	return config, nil
}
