//go:build !race

package main

// raceCost: see race_test.go.
const raceCost = 1
