//go:build unix

package transfer

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// link is a way to a registry that takes time and is not infinitely wide: a
// proxy on the loopback interface. Its connections share one rate for each
// direction, as those of one machine do. What it does not have is loss, and TCP's
// slow start.
type link struct {
	delay    time.Duration // one way
	up, down pipe
}

// pipe is one direction.
type pipe struct {
	rate  float64 // bytes a second; 0 for as many as there are
	bytes atomic.Int64

	mu   sync.Mutex
	free time.Time // when all that entered before has left
}

// newLink returns a link with a round trip time and a rate in bytes a second.
func newLink(roundTrip time.Duration, rate float64) *link {
	return &link{delay: roundTrip / 2, up: pipe{rate: rate}, down: pipe{rate: rate}}
}

// catchUp is how much of its rate a pipe makes good that its sleep was too long
// for.
const catchUp = 2 * time.Millisecond

// enter returns when bytes that enter the pipe now have left it.
func (p *pipe) enter(n int) time.Time {
	p.bytes.Add(int64(n))
	now := time.Now()
	if p.rate == 0 {
		return now
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if late := now.Add(-catchUp); p.free.Before(late) {
		p.free = late
	}
	p.free = p.free.Add(time.Duration(float64(n) / p.rate * float64(time.Second)))
	return p.free
}

// to serves the link to a registry on a free port until stop is called.
func (l *link) to(registry string) (host string, stop func(), err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			go l.connect(near, registry)
		}
	}()
	return listener.Addr().String(), func() { listener.Close() }, nil
}

// connect carries one connection, whose opening takes a round trip.
func (l *link) connect(near net.Conn, registry string) {
	defer near.Close()
	time.Sleep(2 * l.delay)
	far, err := net.Dial("tcp", registry)
	if err != nil {
		return
	}
	defer far.Close()
	var both sync.WaitGroup
	both.Go(func() { l.carry(far, near, &l.up) })
	both.Go(func() { l.carry(near, far, &l.down) })
	both.Wait()
}

const (
	packet = 64 << 10
	// inFlight is how many packets of one connection are on the way at most, which
	// is more than a quarter of a Gbit/s times 20 ms holds.
	inFlight = 64
)

// parcel is bytes on their way.
type parcel struct {
	data []byte
	due  time.Time
}

// carry carries one direction of a connection until one side ends it.
func (l *link) carry(to, from net.Conn, p *pipe) {
	way := make(chan parcel, inFlight)
	used := make(chan []byte, inFlight+2)
	var gone atomic.Bool
	go func() {
		defer close(way)
		for !gone.Load() {
			var buf []byte
			select {
			case buf = <-used:
			default:
				buf = make([]byte, packet)
			}
			n, err := from.Read(buf[:packet])
			if n > 0 {
				way <- parcel{buf[:n], p.enter(n).Add(l.delay)}
			}
			if err != nil {
				return
			}
		}
	}()
	for next := range way {
		if gone.Load() {
			continue
		}
		time.Sleep(time.Until(next.due))
		if _, err := to.Write(next.data); err != nil {
			gone.Store(true)
			from.Close()
			continue
		}
		select {
		case used <- next.data:
		default:
		}
	}
	if c, ok := to.(interface{ CloseWrite() error }); ok {
		c.CloseWrite()
	}
}

// speed returns how many bytes a second the link carries when nothing but it is
// at work: a copy of n bytes over one connection.
func (l *link) speed(n int64) (float64, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		buf := make([]byte, packet)
		for sent := int64(0); sent < n; sent += packet {
			if _, err := conn.Write(buf); err != nil {
				return
			}
		}
	}()
	host, stop, err := l.to(listener.Addr().String())
	if err != nil {
		return 0, err
	}
	defer stop()
	begin := time.Now()
	conn, err := net.Dial("tcp", host)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	got, err := io.Copy(io.Discard, struct{ io.Reader }{conn})
	return float64(got) / time.Since(begin).Seconds(), err
}
