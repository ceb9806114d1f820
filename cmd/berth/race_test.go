//go:build race

package main

// raceCost is how many times more memory a program takes at most under the race detector.
const raceCost = 4
