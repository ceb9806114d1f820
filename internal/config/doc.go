// Package config is the wing between a text and a target: load evaluates a config,
// with the place of every value, resolve settles what follows from it, starter writes
// one for a new user, and jsonschema says to editors what may be in one.
//
// It opens no connection and starts nothing. What a target is used for is not its
// business.
package config
