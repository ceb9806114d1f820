package main

import (
	"os"
	"syscall"
)

// peakOf returns how much memory a program took at most, in bytes.
func peakOf(p *os.ProcessState) int64 { return p.SysUsage().(*syscall.Rusage).Maxrss << 10 }
