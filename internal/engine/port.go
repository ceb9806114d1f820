package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/berth-oci/berth/diag"
)

// portFree fails with diag.PortInUse when something else listens at address,
// and with diag.StartFailed when nothing could. A server closes the port right
// away, so that it is free again for the registry. After a crash, that patience
// tells of, a program that lost its berth may need a moment to end.
func portFree(ctx context.Context, address string, patience time.Duration) error {
	for deadline := time.Now().Add(patience); ; {
		err := tryListen(ctx, address)
		if !isAddrInUse(err) {
			return err
		}
		if time.Now().After(deadline) {
			return portFault(ctx, address)
		}
		if err := sleep(ctx, pollInterval); err != nil {
			return err
		}
	}
}

func tryListen(ctx context.Context, address string) error {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err == nil {
		return l.Close()
	}
	if isAddrInUse(err) {
		return err
	}
	return diag.Errorf(diag.StartFailed, "cannot listen: %w", err).
		WithHint("listen_address must be an address of this machine, and ports below 1024 need privileges")
}

func isAddrInUse(err error) bool { return errors.Is(err, addrInUse) }

// portFault says who listens at address, as far as the system tells.
func portFault(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	who := "another process"
	if _, port, err := net.SplitHostPort(address); err == nil {
		if pid, name := listener(ctx, port); pid > 0 {
			who = fmt.Sprintf("%s (pid %d)", name, pid)
		}
	}
	return diag.Errorf(diag.PortInUse, "%s is in use by %s", address, who).
		WithHint("stop that process, or choose another port (port and local.http_config.listen_port)")
}
