package load

import (
	"errors"
	"fmt"
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
// $XDG_CONFIG_HOME/berth. What is found in the working directory came there with
// what it holds, so that it may not lead out of that unless anywhere is set.
func Find(anywhere bool) (string, error) {
	if name := os.Getenv("BERTH_CONFIG"); name != "" {
		return name, nil
	}
	reader := &program.Reader{Anywhere: anywhere}
	defer reader.Close()
	if name, err := findIn("", reader); name != "" || err != nil {
		return name, err
	}
	if dir, err := userConfigDir(); err == nil {
		user := &program.Reader{Anywhere: true}
		if name, err := findIn(filepath.Join(dir, "berth"), user); name != "" || err != nil {
			return name, err
		}
	}
	return "", diag.Errorf(diag.NoConfig, "no config found").
		WithHint("name one with -f, or create registry.k with: berth init")
}

// findIn returns the config in a directory, "" for none.
func findIn(dir string, reader *program.Reader) (string, error) {
	for _, ext := range []string{".k", ".yaml", ".yml", ".json"} {
		name := filepath.Join(dir, "registry"+ext)
		switch ok, fault := reader.Check(dir, name); {
		case fault != nil:
			fault.Span.Start.File = name
			return "", fault.WithHint("name the config with -f; a config that is found is a file in its directory")
		case ok:
			return name, nil
		}
	}
	return "", nil
}

func userConfigDir() (string, error) {
	// The XDG base directory specification has relative paths ignored.
	if dir := os.Getenv("XDG_CONFIG_HOME"); filepath.IsAbs(dir) {
		return dir, nil
	}
	home, err := os.UserHomeDir()
	if err == nil && !filepath.IsAbs(home) {
		err = fmt.Errorf("the home directory %q is no absolute path", home)
	}
	return filepath.Join(home, ".config"), err
}

// readAll reads the sources that a name stands for: a file, standard input as
// "-", or the files of the KCL package in a directory.
func readAll(r *program.Reader, name string, stdin io.Reader) ([]*syntax.Source, error) {
	if isDir(name) {
		return readPackage(r, name)
	}
	if name == "-" {
		src, fault := r.Stdin(stdin)
		return checked(src, fault, "<stdin>")
	}
	src, fault := r.Named(name)
	if errors.Is(fault.Err(), fs.ErrNotExist) {
		return nil, diag.Errorf(diag.NoConfig, "there is no config %s", name).WithHint("create one with: berth init")
	}
	return checked(src, fault, name)
}

func readPackage(r *program.Reader, dir string) ([]*syntax.Source, error) {
	names, fault := r.Package(dir)
	if fault != nil {
		return nil, fault
	}
	if len(names) == 0 {
		return nil, diag.Errorf(diag.ConfigUnread, "the directory %s holds no .k file", dir).WithHint("name the config file in it")
	}
	var sources []*syntax.Source
	for _, name := range names {
		src, fault := r.Found(dir, name)
		one, err := checked(src, fault, name)
		if err != nil {
			return nil, err
		}
		sources = append(sources, one...)
	}
	return sources, nil
}

// checked returns a source that was read, called as the user does.
func checked(src *syntax.Source, fault *diag.Diagnostic, name string) ([]*syntax.Source, error) {
	if fault != nil {
		return nil, fault
	}
	src = syntax.NewSource(name, src.Text)
	if d := checkEncoding(src); d != nil {
		return nil, &diag.Faults{List: diag.List{d}, Sources: map[string]diag.Source{name: src}}
	}
	return []*syntax.Source{src}, nil
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
