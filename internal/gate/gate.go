// Package gate is the chain of http.Handlers in front of a local registry. Each
// file holds one decorator, which takes the next handler and knows neither the
// registry behind it nor its neighbours. It starts no server.
package gate
