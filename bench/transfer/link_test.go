//go:build unix

package transfer

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"
)

func TestLinkCarriesBothWays(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() { // gives everything back
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				io.Copy(conn, conn)
			}()
		}
	}()
	l := newLink(2*time.Millisecond, 1e9)
	host, stop, err := l.to(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	conn, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	go func() {
		conn.Write(sent)
		conn.(*net.TCPConn).CloseWrite()
	}()
	got, err := io.ReadAll(conn)
	if err != nil || !bytes.Equal(got, sent) {
		t.Fatalf("%d of %d bytes came back: %v", len(got), len(sent), err)
	}
	if up, down := l.up.bytes.Load(), l.down.bytes.Load(); up != int64(len(sent)) || down != up {
		t.Fatalf("counted %d bytes up, %d down, of %d", up, down, len(sent))
	}
}

// TestPipeKeepsItsRate asks for times, and waits for none.
func TestPipeKeepsItsRate(t *testing.T) {
	p := pipe{rate: 1e6}
	begin := time.Now()
	var last time.Time
	for range 10 {
		last = p.enter(100_000)
	}
	if took := last.Sub(begin); took < time.Second-2*catchUp {
		t.Fatalf("a megabyte leaves a pipe of 1 MB/s after %v", took)
	}
}
