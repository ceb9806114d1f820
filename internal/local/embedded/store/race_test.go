//go:build race

package store

// underRace is set where the race detector makes everything slow.
const underRace = true
