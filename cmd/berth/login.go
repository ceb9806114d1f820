package main

import (
	"bufio"
	"context"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/client/credential"
	"github.com/berth-oci/berth/internal/client/transport"
	"github.com/berth-oci/berth/internal/config/resolve"
	"github.com/berth-oci/berth/internal/content/artifact"
)

// loginOptions are the flags of login.
type loginOptions struct {
	username string
	stdin    bool   // --password-stdin
	password string // a mistake: everybody on the machine can read it
}

func (a *app) loginCommand() *cobra.Command {
	var o loginOptions
	cmd := &cobra.Command{
		Use:   "login [HOST]",
		Short: "Check credentials with a registry, and store them",
		Long: "Check user name and password with a registry (default: the config's), and store them\n" +
			"where docker, crane and oras find them too: in the credential helper that Docker's\n" +
			"config.json names, else in config.json itself ($DOCKER_CONFIG, else ~/.docker).\n" +
			"Credentials in the config go before those stored.",
		Args: atMostArgs(1, "HOST"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.check(cmd, a.file); err != nil {
				return err
			}
			target, own, err := a.registryTarget(cmd.Context(), args, true)
			if err != nil {
				return err
			}
			c, err := a.askCredential(cmd.Context(), target, o)
			if err != nil {
				return err
			}
			return a.login(cmd.Context(), target, own, c)
		},
	}
	cmd.Flags().StringVarP(&o.username, "username", "u", "", "`USER` name")
	cmd.Flags().BoolVar(&o.stdin, "password-stdin", false, "read the password from standard input")
	cmd.Flags().StringVarP(&o.password, "password", "p", "", "refused")
	_ = cmd.Flags().MarkHidden("password") // never fails on a flag that is there
	return cmd
}

// check refuses, and does not repeat, what was given where others can read it.
func (o loginOptions) check(cmd *cobra.Command, config string) error {
	switch {
	case cmd.Flags().Changed("password"):
		return diag.Errorf(diag.Usage, "a password in the command line can be read by everybody on this machine, and stays in the shell's history").
			WithHint("give it on standard input, as in: berth login --username USER --password-stdin < FILE")
	case strings.Contains(o.username, ":"):
		return diag.Errorf(diag.Usage, "a user name holds no colon").WithHint("give the password with --password-stdin")
	case o.stdin && config == "-":
		return diag.Errorf(diag.Usage, "standard input cannot hold both the config and the password").WithHint("name the config's file with -f")
	}
	return nil
}

// registryTarget returns the registry that a command is about, the config's when
// none is named, and whether it is the config's. A local one is started for up.
func (a *app) registryTarget(ctx context.Context, args []string, up bool) (t *resolve.Target, own bool, err error) {
	if len(args) == 1 && strings.Contains(args[0], "@") { // which may come after a password
		return nil, false, diag.Errorf(diag.BadReference, "a registry is written without a user").WithHint("write HOST or HOST:PORT")
	}
	config, loaded, err := a.target()
	if err != nil {
		return nil, false, err
	}
	t = config
	if len(args) == 1 {
		if t, err = artifact.ParseRegistry(config, args[0]); err != nil {
			return nil, false, err
		}
	}
	if t == config && up {
		err = a.ensureUp(ctx, t, loaded)
	}
	return t, t == config, err
}

func (a *app) login(ctx context.Context, t *resolve.Target, own bool, c credential.Credential) error {
	checked, err := transport.Verify(ctx, t, c)
	if err != nil {
		return err
	}
	host := t.Endpoint.HostPort()
	if !checked {
		a.note("note: %s asks nobody for credentials, so these could not be checked", host)
	}
	where, plain, err := credential.Docker().Put(ctx, transport.Keys(t.Endpoint), c)
	if err != nil {
		return err
	}
	if plain {
		a.note("note: the password is stored unencrypted in %s; a credential helper (credsStore in that file) would keep it safe", where)
	}
	if own && (t.Auth.Password.IsSet() || t.Auth.Token.IsSet()) {
		a.note("note: this config has credentials of its own, which go before those stored")
	}
	a.print("logged in to %s as %s", host, c.Username)
	return nil
}

// askCredential takes user name and password from flags and standard input, and
// asks on a terminal for what is missing.
func (a *app) askCredential(ctx context.Context, t *resolve.Target, o loginOptions) (c credential.Credential, err error) {
	c.Username = o.username
	if c.Username == "" {
		c.Username = t.Auth.Username
	}
	in, ok := a.stdin.(*os.File)
	switch {
	case o.stdin && c.Username == "":
		return c, diag.Errorf(diag.Usage, "--password-stdin needs a user name").WithHint("add --username USER")
	case o.stdin:
		var password string
		err = interruptible(ctx, func() (err error) {
			password, err = readPassword(a.stdin)
			return err
		})
		if err != nil { // password may still be written to
			return c, err
		}
		c.Password = password
	case ok && term.IsTerminal(int(in.Fd())):
		if c, err = a.prompt(ctx, in, t.Endpoint.HostPort(), c.Username); err != nil {
			return c, err
		}
	default:
		return c, diag.Errorf(diag.Usage, "there is no terminal to ask for the password on").
			WithHint("give it on standard input: berth login --username USER --password-stdin < FILE")
	}
	if c.Username == "" || c.Password == "" {
		return c, diag.Errorf(diag.Usage, "user name or password is empty").WithHint("give both")
	}
	return c, nil
}

// maxPassword bounds what is read of standard input, in bytes. Tokens are long.
const maxPassword = 64 << 10

// readPassword reads all of r, without the line break at its end.
func readPassword(r io.Reader) (string, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxPassword+1))
	if err != nil {
		return "", diag.Errorf(diag.CredentialUnread, "cannot read the password: %w", err).WithHint("give it on standard input")
	}
	if len(data) > maxPassword {
		return "", diag.Errorf(diag.Usage, "the password is longer than %d KiB", maxPassword>>10).WithHint("give the password alone on standard input")
	}
	return strings.TrimRight(string(data), "\r\n"), nil
}

// prompt asks for the user name, unless there is one, and for the password,
// which is not shown. However it ends, the terminal shows what is typed again.
func (a *app) prompt(ctx context.Context, in *os.File, host, username string) (credential.Credential, error) {
	var c credential.Credential
	state, err := term.GetState(int(in.Fd()))
	if err != nil {
		return c, diag.Errorf(diag.Failed, "cannot use the terminal: %w", err).WithHint("use --password-stdin")
	}
	err = interruptible(ctx, func() error {
		if username == "" {
			a.ask("User name for %s: ", host)
			line, err := bufio.NewReader(in).ReadString('\n')
			if err != nil {
				return diag.Errorf(diag.Usage, "no user name was given").WithHint("use --username")
			}
			username = strings.TrimSpace(line)
		}
		a.ask("Password of %s for %s: ", username, host)
		password, err := term.ReadPassword(int(in.Fd()))
		a.ask("\n")
		if err != nil {
			return diag.Errorf(diag.Usage, "no password was given").WithHint("use --password-stdin")
		}
		c = credential.Credential{Username: username, Password: string(password)}
		return nil
	})
	if err != nil { // an interrupted prompt may still be reading
		_ = term.Restore(int(in.Fd()), state) // as good as it can be
		return credential.Credential{}, err
	}
	return c, nil
}
