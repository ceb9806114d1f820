//go:build unix

package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A file of a tree of files is its text, or begins with what it is instead.
const (
	link   = "\x00link " // with its target
	pipe   = "\x00pipe"  // that nobody writes to
	sparse = "\x00sparse"
)

// marker is in every file outside of the repository of a test, and only there.
const marker = "hunter2"

// outsideCase is a command in the directory repo, whose files are somebody else's.
type outsideCase struct {
	name    string
	files   map[string]string // below repo; $T is the directory above
	args    string            // of berth
	env     string
	exit    int
	stderr  string // has this
	allowed bool   // with --allow-file it comes to what is outside, and ends well
}

// outside is what is beside the repository, with what a program could be after.
func outside() map[string]string {
	registry := "deployment: remote\ntype: distribution\nendpoint: hunter2.example.com\nremote: {}\n"
	return map[string]string{
		"good.k": "marker = 'hunter2'\n", "secret.txt": "password: hunter2 : : [\n", "registry.yaml": registry,
		"pkg/a.k": "marker = 'hunter2'\n", "module/kcl.mod": "[package]\nname = 'hunter2'\n", "module/a.k": "marker = 'hunter2'\n",
		"mod.txt": "hunter2 = [\n", "wrong.yaml": "hunter2: true\n", "kcl.yaml": "kcl_cli_configs: {file: [hunter2.k]}\n",
	}
}

// TestOutside runs programs and configs that reach for files outside of their
// directory, by every kind of name and link, and for what is no file. Each is
// refused, soon, and says nothing of what is outside.
func TestOutside(t *testing.T) {
	const refused, imports = "error[file-refused]", "import lib\nx = lib.marker\n"
	const remote = "deployment: remote\ntype: distribution\nendpoint: 127.0.0.1\nport: 1\ntls_enabled: false\nremote: {}\n"
	pack := func(name, text string) map[string]string {
		return map[string]string{"registry.yaml": remote, "x/a.k": "", name: text}
	}
	mod := func(path string) string { return "[dependencies]\nlib = { path = '" + path + "' }\n" }
	lib := func(target string) map[string]string {
		return map[string]string{"main.k": imports, "lib.k": link + target}
	}
	for _, c := range []outsideCase{
		// Imports.
		{name: "absolute link", files: lib("$T/outside/good.k"), args: "kcl run main.k", exit: 3, stderr: refused, allowed: true},
		{name: "relative link", files: lib("../outside/good.k"), args: "kcl run main.k", exit: 3, stderr: refused, allowed: true},
		{name: "secret", files: lib("../outside/secret.txt"), args: "kcl run main.k", exit: 3, stderr: refused},
		{name: "nowhere", files: lib("../outside/none.k"), args: "kcl run main.k", exit: 3},
		{name: "chain", files: map[string]string{"main.k": imports, "lib.k": link + "a/one", "a/one": link + "two", "a/two": link + "../../outside/good.k"},
			args: "kcl run main.k", exit: 3, stderr: refused, allowed: true},
		{name: "directory", files: map[string]string{"main.k": imports, "lib": link + "../outside/pkg"}, args: "kcl run main.k", exit: 3, stderr: refused, allowed: true},
		{name: "file of a package", files: map[string]string{"main.k": imports, "lib/a.k": link + "../../outside/good.k"}, args: "kcl run main.k", exit: 3, stderr: refused, allowed: true},
		{name: "directory above", files: map[string]string{"main.k": "import a.up.outside.pkg as lib\nx = lib.marker\n", "a/up": link + "../.."},
			args: "kcl run main.k", exit: 3, stderr: refused, allowed: true},
		{name: "dots", files: map[string]string{"main.k": "import ..outside.good as lib\nx = lib.marker\n"}, args: "kcl run main.k", exit: 3, stderr: "leads out of the module"},
		{name: "dots through a link", files: map[string]string{"kcl.mod": "", "main.k": "import a.b\n", "a": link + "../outside/pkg"}, args: "kcl run main.k", exit: 3},
		{name: "inside", files: map[string]string{
			"main.k": "import lib\nimport back\nimport there\nx = lib.v + back.v + there.deep\n",
			"lib.k":  link + "$T/repo/in.k", "in.k": "v = 1\n", "back.k": link + "../repo/in.k", "there": link + "real", "real/a.k": "import .other as o\ndeep = o.v\n", "real/other.k": link + "../in.k",
		}, args: "kcl run main.k"},

		// What is no file, or too much of one.
		{name: "import of a pipe", files: map[string]string{"main.k": imports, "lib.k": pipe}, args: "kcl run main.k", exit: 3, stderr: "named pipe"},
		{name: "pipe for a package", files: map[string]string{"main.k": imports, "lib": pipe}, args: "kcl run main.k", exit: 3},
		{name: "pipe in a package", files: map[string]string{"main.k": imports, "lib/a.k": pipe}, args: "kcl run main.k", exit: 3, stderr: "named pipe"},
		{name: "device", files: lib("/dev/zero"), args: "kcl run main.k", exit: 3, stderr: refused},
		{name: "device anywhere", files: lib("/dev/zero"), args: "kcl run main.k --allow-file", exit: 3, stderr: "device"},
		{name: "sparse", files: map[string]string{"main.k": imports, "lib.k": sparse}, args: "kcl run main.k", exit: 3, stderr: "error[limit-exceeded]"},
		{name: "named device", args: "kcl run /dev/zero", exit: 3, stderr: "error[limit-exceeded]"},
		{name: "file.read of a pipe", files: map[string]string{"main.k": "import file\nx = file.read('p')\n", "p": pipe}, args: "kcl run --allow-file main.k", exit: 3, stderr: "named pipe"},
		{name: "file.read of a link", files: map[string]string{"main.k": "import file\nx = file.read('p')\n", "p": link + "../outside/secret.txt"}, args: "kcl run --allow-file main.k", exit: 3},
		{name: "filesha256 of a pipe", files: map[string]string{"main.k": "import crypto\nx = crypto.filesha256('p')\n", "p": pipe}, args: "kcl run --allow-file main.k", exit: 3, stderr: "named pipe"},
		{name: "loop", files: map[string]string{"main.k": "import a.x\n", "a/x.k": "import .l.x\n", "a/l": link + "."}, args: "kcl run main.k", exit: 3},
		{name: "loops", files: map[string]string{"main.k": "import a.x\n", "a/x.k": "import .l.x\nimport .m.x as y\n", "a/l": link + ".", "a/m": link + "."},
			args: "kcl run main.k", exit: 3, stderr: "imports itself through links"},

		// kcl.mod.
		{name: "kcl.mod", files: map[string]string{"main.k": "x = 1\n", "kcl.mod": link + "../outside/mod.txt"}, args: "kcl run main.k", exit: 3, stderr: refused},
		{name: "kcl.mod of a directory", files: map[string]string{"main.k": "x = 1\n", "kcl.mod": link + "../outside/mod.txt"}, args: "kcl run", exit: 3, stderr: refused},
		{name: "kcl.mod is a pipe", files: map[string]string{"main.k": "x = 1\n", "kcl.mod": pipe}, args: "kcl run main.k", exit: 3, stderr: "named pipe"},
		{name: "kcl.mod is a pipe, of a directory", files: map[string]string{"main.k": "x = 1\n", "kcl.mod": pipe}, args: "kcl run", exit: 3, stderr: "named pipe"},
		{name: "kcl.mod is sparse", files: map[string]string{"main.k": "x = 1\n", "kcl.mod": sparse}, args: "kcl run main.k", exit: 3, stderr: "error[limit-exceeded]"},
		{name: "kcl.mod.lock", files: map[string]string{"main.k": "x = 1\n", "kcl.mod": "", "kcl.mod.lock": link + "../outside/mod.txt"}, args: "kcl run main.k", exit: 3, stderr: refused},
		{name: "kcl.mod.lock is a pipe", files: map[string]string{"main.k": "x = 1\n", "kcl.mod": "", "kcl.mod.lock": pipe}, args: "kcl run main.k", exit: 3, stderr: "named pipe"},
		{name: "entries", files: map[string]string{"kcl.mod": "[profile]\nentries = ['../outside/good.k']\n"}, args: "kcl run", exit: 3, stderr: refused, allowed: true},
		{name: "dependency", files: map[string]string{"main.k": imports, "kcl.mod": mod("../outside/module")}, args: "kcl run main.k", exit: 3, stderr: "module lib, which kcl.mod names, leads out of", allowed: true},
		{name: "absolute dependency", files: map[string]string{"main.k": imports, "kcl.mod": mod("$T/outside/module")}, args: "kcl run main.k", exit: 3, stderr: refused, allowed: true},
		{name: "linked dependency", files: map[string]string{"main.k": imports, "kcl.mod": mod("dep"), "dep": link + "../outside/module"}, args: "kcl run main.k", exit: 3, stderr: refused, allowed: true},
		{name: "dependency that is not used", files: map[string]string{"main.k": "x = 1\n", "kcl.mod": mod("../outside/module")}, args: "kcl run main.k"},
		{name: "kcl.mod of a dependency", files: map[string]string{"main.k": "import lib\nimport lib.b\n", "kcl.mod": mod("dep"), "dep/b.k": "import c\n", "dep/kcl.mod": link + "../../outside/mod.txt"},
			args: "kcl run main.k", exit: 3, stderr: refused},
		{name: "file of a dependency", files: map[string]string{"main.k": "import lib\n", "kcl.mod": mod("dep"), "dep/kcl.mod": "", "dep/a.k": link + "../other.k", "other.k": "v = 1\n"},
			args: "kcl run main.k", exit: 3, stderr: refused},
		{name: "dependency of a dependency", files: map[string]string{"main.k": "import lib\nx = lib.v\n", "kcl.mod": mod("deps/one"), "deps/one/kcl.mod": mod("../two"),
			"deps/one/a.k": "import lib\nv = lib.v\n", "deps/two/kcl.mod": "", "deps/two/a.k": "v = 1\n"}, args: "kcl run main.k"},
		{name: "dependency of a dependency outside", files: map[string]string{"main.k": "import lib\nx = lib.v\n", "kcl.mod": mod("deps/one"), "deps/one/kcl.mod": mod("../../../outside/module"),
			"deps/one/a.k": "import lib\nv = lib.marker\n"}, args: "kcl run main.k", exit: 3, stderr: refused, allowed: true},
		{name: "vendor", files: map[string]string{"main.k": imports, "kcl.mod": "[dependencies]\nlib = '1.0'\n", "vendor/lib_1.0": link + "../../outside/module"}, args: "kcl run main.k", exit: 3, stderr: refused, allowed: true},
		{name: "chosen module", files: map[string]string{"main.k": imports}, args: "kcl run main.k -E lib=../outside/module"},

		// Settings.
		{name: "absolute name", files: map[string]string{"kcl.yaml": "kcl_cli_configs: {file: [$T/outside/good.k]}\n"}, args: "kcl run", exit: 3, stderr: refused, allowed: true},
		{name: "name above", files: map[string]string{"kcl.yaml": "kcl_cli_configs: {files: [../outside/good.k]}\n"}, args: "kcl run", exit: 3, stderr: refused, allowed: true},
		{name: "pattern above", files: map[string]string{"kcl.yaml": "kcl_cli_configs: {files: ['../outside/*.k']}\n"}, args: "kcl run", exit: 3, stderr: refused, allowed: true},
		{name: "pattern through a link", files: map[string]string{"o": link + "../outside", "kcl.yaml": "kcl_cli_configs: {files: ['o/*.k']}\n"}, args: "kcl run", exit: 3, allowed: true},
		{name: "pattern", files: map[string]string{"o.k": link + "../outside/good.k", "kcl.yaml": "kcl_cli_configs: {files: ['*.k']}\n"}, args: "kcl run", exit: 3, stderr: refused, allowed: true},
		{name: "directory above by settings", files: map[string]string{"kcl.yaml": "kcl_cli_configs: {file: [../outside/pkg]}\n"}, args: "kcl run", exit: 3, stderr: refused, allowed: true},
		{name: "root and above", files: map[string]string{"kcl.yaml": "kcl_cli_configs: {file: ['${KCL_MOD}/../outside/good.k']}\n"}, args: "kcl run", exit: 3, stderr: refused, allowed: true},
		{name: "named settings", files: map[string]string{"s/settings.yaml": "kcl_cli_configs: {file: [../../outside/good.k]}\n"}, args: "kcl run -Y s/settings.yaml", exit: 3, stderr: refused, allowed: true},
		{name: "settings outside", files: map[string]string{"kcl.yaml": link + "../outside/kcl.yaml"}, args: "kcl run", exit: 3, stderr: refused},
		{name: "named settings outside", files: map[string]string{"s.yaml": link + "../outside/secret.txt"}, args: "kcl run -Y s.yaml", exit: 3, stderr: "no more is shown"},
		{name: "settings are a pipe", files: map[string]string{"kcl.yaml": pipe}, args: "kcl run", exit: 3, stderr: "named pipe"},
		{name: "settings are sparse", files: map[string]string{"kcl.yaml": sparse}, args: "kcl run", exit: 3, stderr: "error[limit-exceeded]"},
		{name: "modules of settings", files: map[string]string{"main.k": imports, "kcl.yaml": "kcl_cli_configs: {file: [main.k], package_maps: {lib: ../outside/module}}\n"}, args: "kcl run", exit: 3, stderr: refused, allowed: true},
		{name: "output", files: map[string]string{"main.k": "x = 1\n", "kcl.yaml": "kcl_cli_configs: {file: [main.k], output: ../outside/written}\n"}, args: "kcl run", exit: 3, stderr: refused},
		{name: "output through a link", files: map[string]string{"main.k": "x = 1\n", "o": link + "../outside", "kcl.yaml": "kcl_cli_configs: {file: [main.k], output: o/new/written}\n"}, args: "kcl run", exit: 3, stderr: refused},

		// What lies about, and what the user names.
		{name: "found file", files: map[string]string{"main.k": "x = 1\n", "o.k": link + "../outside/good.k"}, args: "kcl run", exit: 3, stderr: refused, allowed: true},
		{name: "file of a named directory", files: map[string]string{"d/o.k": link + "../../outside/good.k"}, args: "kcl run d", exit: 3, stderr: refused, allowed: true},
		{name: "found pipe", files: map[string]string{"main.k": "x = 1\n", "p.k": pipe}, args: "kcl run", exit: 3, stderr: "named pipe"},
		{name: "named link to a secret", files: map[string]string{"main.k": link + "../outside/secret.txt"}, args: "kcl run main.k", exit: 3, stderr: "name the file itself"},
		{name: "named link to a device", files: map[string]string{"main.k": link + "/dev/zero"}, args: "kcl run main.k", exit: 3, stderr: "error[limit-exceeded]"},

		// What is packed.
		{name: "metadata is a pipe", files: pack("x/extension.yaml", pipe), args: "push extension x", exit: 2, stderr: "named pipe"},
		{name: "metadata is sparse", files: pack("x/extension.yaml", sparse), args: "push extension x", exit: 2, stderr: "error[bad-metadata]"},
		{name: "metadata outside", files: pack("x/extension.yaml", link+"../../outside/wrong.yaml"), args: "push extension x", exit: 2, stderr: "cannot read metadata"},
		{name: "kcl.mod to push is a pipe", files: pack("x/kcl.mod", pipe), args: "push kcl x", exit: 2, stderr: "named pipe"},
		{name: "kcl.mod to push is outside", files: pack("x/kcl.mod", link+"../../outside/mod.txt"), args: "push kcl x", exit: 2, stderr: "leads out of"},
		{name: "pipe to push", files: pack("x/p", pipe), args: "push extension x --name x --version 1 --kind cluster", exit: 1, stderr: "a named pipe cannot be packed"},
		{name: "layout of others", files: map[string]string{"l/oci-layout": `{"imageLayoutVersion": "1.0.0"}`, "l/index.json": link + "../../outside/registry.yaml", "registry.yaml": remote},
			args: "copy oci:l:1 127.0.0.1:1/x:1", exit: 9, stderr: "leads out of the layout"},

		// Configs.
		{name: "found config", files: map[string]string{"registry.yaml": link + "../outside/wrong.yaml"}, args: "validate", exit: 3, stderr: refused},
		{name: "found config, shown", files: map[string]string{"registry.yaml": link + "../outside/registry.yaml"}, args: "show", exit: 3, stderr: refused, allowed: true},
		{name: "found config, started", files: map[string]string{"registry.k": link + "../outside/good.k"}, args: "up", exit: 3, stderr: refused},
		{name: "found config, used", files: map[string]string{"registry.json": link + "../outside/secret.txt"}, args: "ls", exit: 3, stderr: refused},
		{name: "found config, pulled by", files: map[string]string{"registry.yml": link + "../outside/secret.txt"}, args: "pull extension/x", exit: 3, stderr: refused},
		{name: "config is a pipe", files: map[string]string{"registry.yaml": pipe}, args: "validate", exit: 3, stderr: "named pipe"},
		{name: "config is a directory", files: map[string]string{"registry.k/a.k": "x = 1\n"}, args: "show", exit: 3, stderr: "it is a directory"},
		{name: "config is a device", files: map[string]string{"registry.k": link + "/dev/zero"}, args: "status", exit: 3, stderr: refused},
		{name: "config is sparse", files: map[string]string{"registry.k": sparse}, args: "validate", exit: 3, stderr: "error[limit-exceeded]"},
		{name: "config of the user is a pipe", files: map[string]string{"xdg/berth/registry.k": pipe}, env: "XDG_CONFIG_HOME=REPO/xdg", args: "validate", exit: 3, stderr: "named pipe"},
		{name: "config of the user is a link", files: map[string]string{"xdg/berth/registry.yaml": link + "../../../outside/registry.yaml"}, env: "XDG_CONFIG_HOME=REPO/xdg", args: "validate"},
		{name: "named config", files: map[string]string{"registry.yaml": link + "../outside/wrong.yaml"}, args: "validate registry.yaml", exit: 3, stderr: "no more is shown"},
		{name: "named config, for a machine", files: map[string]string{"registry.yaml": link + "../outside/wrong.yaml"}, args: "validate --format json registry.yaml", exit: 3},
		{name: "config by the environment", files: map[string]string{"c.yaml": link + "../outside/secret.txt"}, env: "BERTH_CONFIG=c.yaml", args: "ls", exit: 3, stderr: "no more is shown"},
		{name: "right config elsewhere", files: map[string]string{"registry.yaml": link + "../outside/registry.yaml"}, args: "validate registry.yaml"},
		{name: "import of a config", files: map[string]string{"registry.k": "import lib\n", "lib.k": link + "../outside/secret.txt"}, args: "validate", exit: 3, stderr: refused},
		{name: "import of a config that starts", files: map[string]string{"registry.k": "import lib\n", "lib.k": link + "../outside/secret.txt"}, args: "up", exit: 3, stderr: refused},
		{name: "config package", files: map[string]string{"d/a.k": link + "../../outside/secret.txt"}, args: "validate d", exit: 3, stderr: refused},
		{name: "kcl.mod of a config is a pipe", files: map[string]string{"registry.k": "x = 1\n", "kcl.mod": pipe}, args: "validate", exit: 3, stderr: "named pipe"},
		{name: "schema", files: map[string]string{"s.k": link + "../outside/secret.txt"}, args: "schema json --schema s.k:S", exit: 3, stderr: "no more is shown"},
		{name: "import of a schema", files: map[string]string{"s.k": "import lib\nschema S(OCIRegistryConfig):\n    a: int\n", "lib.k": link + "../outside/secret.txt", "registry.yaml": "a: 1\n"},
			args: "validate --schema s.k:S", exit: 3, stderr: refused},
		{name: "schemas", files: map[string]string{"s/a.k": pipe, "registry.yaml": "a: 1\n"}, args: "validate --schema s:S", exit: 2, stderr: "named pipe"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.run(t)
		})
	}
}

func (c *outsideCase) run(t *testing.T) {
	top := t.TempDir()
	for name, text := range outside() {
		plant(t, top, filepath.Join("outside", name), text)
	}
	if err := os.MkdirAll(filepath.Join(top, "repo"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range c.files {
		plant(t, top, filepath.Join("repo", name), text)
	}
	exit, stdout, stderr := c.berth(t, top, strings.Fields(c.args)...)
	if exit != c.exit || !strings.Contains(stderr, c.stderr) {
		t.Errorf("exit %d, want %d with %q: %s%s", exit, c.exit, c.stderr, stdout, stderr)
	}
	if c.exit != 0 && strings.Contains(stdout+stderr, marker) {
		t.Errorf("it tells what is outside: %s%s", stdout, stderr)
	}
	if _, err := os.Stat(filepath.Join(top, "outside", "written")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it wrote outside: %v", err)
	}
	if !c.allowed {
		return
	}
	exit, stdout, stderr = c.berth(t, top, append(strings.Fields(c.args), "--allow-file")...)
	if exit != 0 || !strings.Contains(stdout, marker) {
		t.Errorf("with --allow-file: exit %d: %s%s", exit, stdout, stderr)
	}
}

// berth runs the program, which ends long before the time is up unless it hangs.
func (c *outsideCase) berth(t *testing.T, top string, args ...string) (exit int, stdout, stderr string) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "berth", args...)
	var out, errs strings.Builder
	cmd.Dir, cmd.Stdout, cmd.Stderr = filepath.Join(top, "repo"), &out, &errs
	cmd.Env = slices.Concat(os.Environ(), []string{"HOME=" + top, "KCL_PKG_PATH=", "XDG_CONFIG_HOME=", "BERTH_CONFIG=", strings.ReplaceAll(c.env, "REPO", cmd.Dir)})
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// plant makes a file of a tree.
func plant(t *testing.T, top, name, text string) {
	name = filepath.Join(top, name)
	text = strings.ReplaceAll(text, "$T", top)
	err := os.MkdirAll(filepath.Dir(name), 0o700)
	target, isLink := strings.CutPrefix(text, link)
	switch {
	case err != nil:
	case isLink:
		err = os.Symlink(target, name)
	case text == pipe:
		err = syscall.Mkfifo(name, 0o600)
	case text == sparse:
		if err = os.WriteFile(name, nil, 0o600); err == nil {
			err = os.Truncate(name, 5<<30)
		}
	default:
		err = os.WriteFile(name, []byte(text), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}
