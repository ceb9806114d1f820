package embedded

import (
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
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

// For one that waits one makes way, however often connections change meanwhile.
func TestConnectionsMakeWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConnections(nil, 3)
		var all []net.Conn
		for range c.most {
			c.enter()
			conn, peer := net.Pipe()
			defer peer.Close()
			defer conn.Close()
			c.state(conn, http.StateIdle)
			all = append(all, conn)
		}
		entered := false
		go func() { entered = c.enter() }()
		synctest.Wait()
		for range 2 {
			c.state(all[2], http.StateActive)
			c.state(all[2], http.StateIdle)
			synctest.Wait()
		}
		if n := idle(c); n != 2 || entered {
			t.Errorf("%d are left before the first has ended; %v", n, entered)
		}
		c.state(all[0], http.StateClosed)
		synctest.Wait()
		if n := idle(c); n != 2 || !entered {
			t.Errorf("%d are left; %v", n, entered)
		}
		go c.enter() // for which another one makes way
		synctest.Wait()
		if n := idle(c); n != 1 {
			t.Errorf("%d are left with two more", n)
		}
		c.state(all[1], http.StateClosed)
	})
}

// The one that is idle for the longest makes way, however often others were used.
func TestOldestConnectionMakesWay(t *testing.T) {
	l := newConnections(nil, 3)
	conns := make([]net.Conn, 3)
	peers := make([]net.Conn, 3)
	for i := range conns {
		conns[i], peers[i] = net.Pipe()
		l.enter()
		for _, s := range []http.ConnState{http.StateNew, http.StateActive, http.StateIdle} {
			l.state(conns[i], s)
		}
	}
	for _, i := range []int{0, 2, 0} {
		l.state(conns[i], http.StateActive)
		l.state(conns[i], http.StateIdle)
	}
	for _, i := range []int{1, 2, 0} {
		entered := make(chan bool)
		go func() { entered <- l.enter() }()
		if _, err := peers[i].Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("%d is not closed: %v", i, err)
		}
		l.state(conns[i], http.StateClosed)
		if !<-entered {
			t.Error("no room")
		}
	}
	if len(l.spots) != 0 {
		t.Errorf("left: %v", l.spots)
	}
}

// idle counts those that are.
func idle(c *connections) (n int) {
	for at := c.idle.behind; at != &c.idle; at = at.behind {
		n++
	}
	return n
}
