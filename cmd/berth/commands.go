package main

import "github.com/spf13/cobra"

// commands lists every command.
func (a *app) commands() []*cobra.Command {
	return []*cobra.Command{
		a.initCommand(),
		a.validateCommand(),
		a.showCommand(),
		a.schemaCommand(),
		a.kclCommand(),
		a.upCommand(),
		a.downCommand(),
		a.restartCommand(),
		a.statusCommand(),
		a.logsCommand(),
		a.serveCommand(),
		a.gcCommand(),
		a.scrubCommand(),
		a.pushCommand(),
		a.pullCommand(),
		a.lsCommand(),
		a.inspectCommand(),
		a.tagCommand(),
		a.rmCommand(),
		a.copyCommand(),
		a.cacheCommand(),
		a.loginCommand(),
		a.logoutCommand(),
		a.versionCommand(),
	}
}
