//go:build !unix

package regular

const (
	nonblock  = 0
	directory = 0
)
