//go:build unix

// Command bench measures berth and its peers side by side and prints Markdown
// tables: with the first argument "transfer" clients that move artifacts, with
// "registry" servers, and with "kcl" the config language beside the reference
// runtime.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"

	"github.com/berth-oci/berth/bench/registry"
	"github.com/berth-oci/berth/bench/transfer"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if len(args) == 0 {
		return errors.New("say what to measure: transfer, registry or kcl")
	}
	switch args[0] {
	case "transfer":
		return transfer.Main(ctx, args[1:])
	case "registry":
		return registry.Main(ctx, args[1:])
	case "kcl":
		stop() // what is measured ends with the process
		return kcl(args[1:])
	case "bare": // what registry.Main starts
		if len(args) == 2 {
			return registry.Bare(args[1])
		}
	}
	return fmt.Errorf("%q cannot be measured: transfer, registry and kcl can", args[0])
}
