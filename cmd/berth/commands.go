package main

import "github.com/spf13/cobra"

// commands lists every command, in the order of their help.
func (a *app) commands() []*cobra.Command {
	return []*cobra.Command{
		a.pushCommand(),
		a.pullCommand(),
		a.lsCommand(),
	}
}
