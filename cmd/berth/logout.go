package main

import (
	"github.com/spf13/cobra"

	"github.com/berth-oci/berth/internal/client/credential"
	"github.com/berth-oci/berth/internal/client/transport"
)

func (a *app) logoutCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "logout [HOST]",
		Short: "Remove the stored credentials of a registry",
		Long: "Remove what Docker's config.json and its credential helpers have for a registry\n" +
			"(default: the config's). Credentials that the config itself names stay.",
		Args: atMostArgs(1, "HOST"),
		RunE: func(cmd *cobra.Command, args []string) error {
			target, own, err := a.registryTarget(cmd.Context(), args, false)
			if err != nil {
				return err
			}
			found, err := credential.Docker().Erase(cmd.Context(), transport.Keys(target.Endpoint))
			if err != nil {
				return err
			}
			host := target.Endpoint.HostPort()
			if own && (target.Auth.Password.IsSet() || target.Auth.Token.IsSet()) {
				a.note("note: this config has credentials of its own, which stay")
			}
			if !found {
				a.note("note: there were no credentials of %s", host)
				return nil
			}
			a.print("logged out of %s", host)
			return nil
		},
	}
}
