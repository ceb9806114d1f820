package load

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"unicode/utf8"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/kcl/program"
	"github.com/berth-oci/berth/kcl/syntax"
)

// Find returns the config that is used when none is named: $BERTH_CONFIG, else
// registry.k, .yaml, .yml or .json in the working directory, else the same in
// $XDG_CONFIG_HOME/berth.
func Find() (string, error) {
	if name := os.Getenv("BERTH_CONFIG"); name != "" {
		return name, nil
	}
	dirs := []string{""}
	if dir, err := userConfigDir(); err == nil {
		dirs = append(dirs, filepath.Join(dir, "berth"))
	}
	for _, dir := range dirs {
		for _, ext := range []string{".k", ".yaml", ".yml", ".json"} {
			name := filepath.Join(dir, "registry"+ext)
			if _, err := os.Stat(name); err == nil {
				return name, nil
			}
		}
	}
	return "", diag.Errorf(diag.NoConfig, "no config found").
		WithHint("name one with -f, or create registry.k with: berth init")
}

func userConfigDir() (string, error) {
	if dir := os.Getenv("XDG_CONFIG_HOME"); dir != "" {
		return dir, nil
	}
	home, err := os.UserHomeDir()
	return filepath.Join(home, ".config"), err
}

// readAll reads the sources that a name stands for: a file, standard input as
// "-", or the files of the KCL package in a directory.
func readAll(name string, stdin io.Reader) ([]*syntax.Source, error) {
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		return readPackage(name)
	}
	src, err := read(name, stdin)
	if err != nil {
		return nil, err
	}
	return []*syntax.Source{src}, nil
}

func readPackage(dir string) ([]*syntax.Source, error) {
	names, err := program.Files(dir)
	if err != nil {
		return nil, diag.Errorf(diag.ConfigUnread, "cannot read config: %w", err)
	}
	if len(names) == 0 {
		return nil, diag.Errorf(diag.ConfigUnread, "the directory %s holds no .k file", dir).WithHint("name the config file in it")
	}
	var sources []*syntax.Source
	for _, name := range names {
		src, err := read(name, nil)
		if err != nil {
			return nil, err
		}
		sources = append(sources, src)
	}
	return sources, nil
}

// maxFile is the size of the largest config that is read, in bytes.
const maxFile = program.MaxFile

// read returns a config by its name. Standard input is called <stdin> in
// diagnostics.
func read(name string, stdin io.Reader) (*syntax.Source, error) {
	shown := name
	if name == "-" {
		shown = "<stdin>"
	} else {
		f, err := os.Open(name)
		if err != nil {
			d := diag.Errorf(diag.ConfigUnread, "cannot read config: %w", err)
			if errors.Is(err, fs.ErrNotExist) {
				d.Code = diag.NoConfig
				d.Message = "there is no config " + name
				d.Hint = "create one with: berth init"
			}
			return nil, d
		}
		defer f.Close()
		stdin = f
	}
	// Not the size that the system gives: a pipe or a device has none.
	data, err := io.ReadAll(io.LimitReader(stdin, maxFile+1))
	if err != nil {
		return nil, diag.Errorf(diag.ConfigUnread, "cannot read config %s: %w", shown, err)
	}
	if len(data) > maxFile {
		return nil, diag.Errorf(diag.LimitExceeded, "%s has more than %d MiB; a config may not", shown, maxFile>>20)
	}
	src := syntax.NewSource(shown, string(data))
	if d := checkEncoding(src); d != nil {
		return nil, &diag.Faults{List: diag.List{d}, Sources: map[string]diag.Source{shown: src}}
	}
	return src, nil
}

// checkEncoding makes sure that a source is UTF-8, as all formats are.
func checkEncoding(src *syntax.Source) *diag.Diagnostic {
	if utf8.ValidString(src.Text) {
		return nil
	}
	at := 0
	for at < len(src.Text) {
		r, size := utf8.DecodeRuneInString(src.Text[at:])
		if r == utf8.RuneError && size == 1 {
			break
		}
		at += size
	}
	d := diag.Errorf(diag.Syntax, "the text is not UTF-8").At(syntax.Range{Source: src, Start: at, End: at + 1}.Span())
	if len(src.Text) > 1 && (src.Text[:2] == "\xff\xfe" || src.Text[:2] == "\xfe\xff") {
		return d.WithHint("it begins like UTF-16; save it as UTF-8")
	}
	return d.WithHint("save the file as UTF-8")
}
