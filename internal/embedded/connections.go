package embedded

import (
	"container/list"
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
	open   int        // and the one that is being accepted
	idle   *list.List // of net.Conn; the last used at the end
	where  map[net.Conn]*list.Element
	going  map[net.Conn]bool // closed to make room; open until the server tells otherwise
}

func newConnections(l net.Listener, most int) *connections {
	c := &connections{Listener: l, most: most, idle: list.New(), where: map[net.Conn]*list.Element{}, going: map[net.Conn]bool{}}
	c.change.L = &c.mu
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
		if oldest := c.idle.Front(); oldest != nil && c.open-len(c.going) >= c.most {
			conn := oldest.Value.(net.Conn)
			c.busy(conn)
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

// busy is for the holder of mu.
func (c *connections) busy(conn net.Conn) {
	if e := c.where[conn]; e != nil {
		c.idle.Remove(e)
		delete(c.where, conn)
	}
}

// state is the http.Server's ConnState.
func (c *connections) state(conn net.Conn, s http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy(conn)
	switch s {
	case http.StateIdle:
		c.where[conn] = c.idle.PushBack(conn)
		c.change.Broadcast()
	case http.StateClosed, http.StateHijacked:
		delete(c.going, conn)
		c.leave()
	}
}
