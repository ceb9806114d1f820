package embedded

import (
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
)

// While all connections are busy the next one waits, until one is idle.
func TestConnections(t *testing.T) {
	inner, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := newConnections(inner, 2)
	accepted := make(chan net.Conn)
	ended := make(chan error, 1)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				ended <- err
				return
			}
			l.state(conn, http.StateNew)
			accepted <- conn
		}
	}()
	dial := func() net.Conn {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	one, _ := dial(), dial()
	first, second := <-accepted, <-accepted
	l.state(first, http.StateActive)
	l.state(second, http.StateActive)
	dial()
	select {
	case <-accepted:
		t.Error("a third one is accepted")
	default:
	}
	l.state(first, http.StateIdle)
	if _, err := one.Read(make([]byte, 1)); !errors.Is(err, io.EOF) { // it makes way
		t.Errorf("the idle one: %v", err)
	}
	l.state(first, http.StateClosed)
	third := <-accepted
	// And one that ends makes room as well.
	dial()
	l.state(second, http.StateClosed)
	<-accepted
	l.state(third, http.StateIdle)
	l.state(third, http.StateActive) // in time
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("%v, want that it is closed", err)
	}
}
