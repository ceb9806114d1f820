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
// and with the error of try, which ends in tryListen, when nothing could. After
// a crash, that patience tells of, a program that lost its berth may need a
// moment to end.
func portFree(ctx context.Context, try func() error, address string, patience time.Duration) error {
	for deadline := time.Now().Add(patience); ; {
		err := try()
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

// tryListen listens and closes the port right away, so that it is free again for
// the registry. It is for the holder of the lock. It fails with
// diag.StartFailed when nothing could listen there.
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

// Listener names the process that listens at address, as far as the system
// tells; it returns "" when none does. It connects, so as not to take the
// address from a registry that is starting.
func Listener(ctx context.Context, address string) string {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", reachable(address))
	if err != nil {
		return ""
	}
	_ = conn.Close()
	return listenerName(ctx, address)
}

func listenerName(ctx context.Context, address string) string {
	if _, port, err := net.SplitHostPort(address); err == nil {
		if pid, name := listener(ctx, port); pid > 0 {
			return fmt.Sprintf("%s (pid %d)", name, pid)
		}
	}
	return "another process"
}

// portFault says who listens at address.
func portFault(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	return diag.Errorf(diag.PortInUse, "%s is in use by %s", address, listenerName(ctx, address)).
		WithHint("stop that process, or choose another port (port and local.http_config.listen_port)")
}
