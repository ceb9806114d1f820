//go:build !linux && !darwin

package keeper

import "net"

const tellsPeer = false

// peer does not know: the rights of the directory have to do.
func peer(net.Conn) (uid int, ok bool) { return 0, false }
