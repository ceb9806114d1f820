// Package local is the wing of a registry that runs on this machine: launch makes of a
// target what is to run, engine runs it as a process, embedded is the built-in registry,
// and gate is in front of it.
//
// It moves no artifacts.
package local
