package embedded

import (
	"crypto/tls"
	"net"
	"net/http"
	"sync"
)

// connections bounds those of a server, so that files are left for what they ask
// for. When there are as many as there may be, the one that is idle for the longest
// is closed for the next; while none is, the next one waits to be accepted. Who
// connects and asks for nothing is cut by the server soon.
type connections struct {
	net.Listener
	most int

	mu     sync.Mutex
	change sync.Cond // of mu
	closed bool
	open   int  // and the one that is being accepted
	idle   spot // before the first and behind the last that is idle; the last used at the end
	spots  map[net.Conn]*spot
	going  map[net.Conn]bool // closed to make room; open until the server tells otherwise
}

// spot is that of a connection among those that are idle, in a ring: each request
// leaves and enters it, which is to cost next to nothing.
type spot struct {
	conn           net.Conn
	before, behind *spot // nil for one that is busy
}

func (s *spot) leave() {
	if s.behind != nil {
		s.before.behind, s.behind.before = s.behind, s.before
		s.before, s.behind = nil, nil
	}
}

func (s *spot) enterBefore(next *spot) {
	s.before, s.behind = next.before, next
	s.before.behind, next.before = s, s
}

func newConnections(l net.Listener, most int) *connections {
	c := &connections{Listener: l, most: most, spots: map[net.Conn]*spot{}, going: map[net.Conn]bool{}}
	c.change.L = &c.mu
	c.idle.before, c.idle.behind = &c.idle, &c.idle
	return c
}

// Accept implements net.Listener. It returns the connection as it is, or files
// could not be sent by the kernel.
func (c *connections) Accept() (net.Conn, error) {
	if !c.enter() {
		return nil, net.ErrClosed
	}
	conn, err := c.Listener.Accept()
	if err != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.leave()
	}
	return conn, err
}

// Close implements net.Listener.
func (c *connections) Close() error {
	c.mu.Lock()
	c.closed = true
	c.change.Broadcast()
	c.mu.Unlock()
	return c.Listener.Close()
}

// enter waits until there is room for one more, and reports whether there is.
func (c *connections) enter() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.open >= c.most && !c.closed {
		if oldest := c.idle.behind; oldest != &c.idle && c.open-len(c.going) >= c.most {
			oldest.leave()
			conn := oldest.conn
			c.going[conn] = true
			// The server learns of it, and tells state.
			if secure, ok := conn.(*tls.Conn); ok {
				conn = secure.NetConn() // whose peer need not be told
			}
			_ = conn.Close()
		}
		c.change.Wait()
	}
	c.open++
	return !c.closed
}

// leave is for the holder of mu.
func (c *connections) leave() {
	c.open--
	c.change.Broadcast()
}

// state is the http.Server's ConnState.
func (c *connections) state(conn net.Conn, s http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := c.spots[conn]
	if at == nil {
		at = &spot{conn: conn}
		c.spots[conn] = at
	}
	at.leave()
	switch s {
	case http.StateIdle:
		at.enterBefore(&c.idle)
		c.change.Broadcast()
	case http.StateClosed, http.StateHijacked:
		delete(c.going, conn)
		delete(c.spots, conn)
		c.leave()
	}
}
