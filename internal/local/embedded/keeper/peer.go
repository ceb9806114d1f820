//go:build linux || darwin

package keeper

import (
	"net"
	"syscall"
)

// tellsPeer is whether the system tells who is at the other end of a socket.
const tellsPeer = true

// peer returns the user at the other end of a connection on a socket; ok is false
// when the system does not tell.
func peer(conn net.Conn) (uid int, ok bool) {
	c, isRaw := conn.(syscall.Conn)
	if !isRaw {
		return 0, false
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, false
	}
	var asked error
	err = raw.Control(func(fd uintptr) { uid, asked = peerUser(int(fd)) })
	return uid, err == nil && asked == nil
}
