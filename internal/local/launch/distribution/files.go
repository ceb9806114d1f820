package distribution

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/config/resolve"
	"github.com/berth-oci/berth/internal/content/lockfile"
	"github.com/berth-oci/berth/internal/local/embedded/keeper"
	"github.com/berth-oci/berth/internal/local/engine"
)

// checkFiles finds paths of files that berth would write over one another, or
// over what it only reads.
func checkFiles(t *resolve.Target, u engine.Unit) (faults diag.List) {
	l := t.Local
	used := usedFiles{dirs: map[string]string{}}
	for _, name := range append(engine.OwnFiles(u.Dir), keeper.OwnFiles(u.Dir)...) {
		used.add(name, "berth keeps its own "+filepath.Base(name)+" there")
	}
	own := filepath.Join(u.Dir, "htpasswd")
	if makesHtpasswd(t) {
		used.add(own, "berth keeps its own htpasswd there")
	}
	conflict := func(path, name, why string) {
		faults = append(faults, t.Fault(diag.ConfigConflict, path, "%s cannot be %s: %s", path, name, why).
			WithHint("choose another file for %s", path))
	}
	credentials, credentialsPath := storageCredentials(l)
	given := map[string]string{"tls_cert_path": l.TLSCert, "tls_key_path": l.TLSKey, "ca_cert_path": l.ClientCA,
		"password_path": t.Auth.Password.File(), "auth_token_path": t.Auth.Token.File(), "local.htpasswd_path": l.Htpasswd,
		"local.binary_path": l.BinaryPath, credentialsPath: credentials.File()}
	for path, name := range given {
		if why := used.why(name); why != "" {
			conflict(path, name, why)
		}
	}
	for path, name := range given {
		used.add(name, path+" is the same file")
	}
	used.add(own, "berth keeps its own htpasswd there")
	for _, f := range []struct{ path, name string }{{"local.config_path", u.Config}, {"local.log_file", u.LogFile}} {
		if config := t.At(f.path).Start.File; config != "" {
			used.add(config, "it is the config itself")
			used.add(filepath.Join(filepath.Dir(config), lockfile.Name), "berth pull --lock keeps its "+lockfile.Name+" there")
		}
		if why := used.why(f.name); why != "" {
			conflict(f.path, f.name, why)
		}
		used.add(f.name, f.path+" is the same file")
	}
	return faults.Sort()
}

// usedFiles are files that are used already, and what for. Each is looked at once,
// and so is each directory: every start does this.
type usedFiles struct {
	all  []usedFile
	dirs map[string]string // real paths, by name
}

type usedFile struct {
	real string
	info os.FileInfo // nil where there is none yet
	why  string
}

// add adds a file, unless name is "". Of two uses of one file the first counts.
func (u *usedFiles) add(name, why string) {
	if name != "" {
		f := u.look(name)
		f.why = why
		u.all = append(u.all, f)
	}
}

// why returns what the file called name is used for, by this name or another.
func (u *usedFiles) why(name string) string {
	if name == "" {
		return ""
	}
	f := u.look(name)
	for _, other := range u.all {
		if f.real == other.real || f.info != nil && other.info != nil && os.SameFile(f.info, other.info) {
			return other.why
		}
	}
	return ""
}

// look finds a file.
func (u *usedFiles) look(name string) (f usedFile) {
	dir := filepath.Dir(name)
	real, known := u.dirs[dir]
	if !known {
		real = realPath(dir)
		u.dirs[dir] = real
	}
	f.real = filepath.Join(real, filepath.Base(name))
	f.info, _ = os.Lstat(f.real)
	if f.info != nil && f.info.Mode()&os.ModeSymlink != 0 {
		f.real = realPath(f.real)
		f.info, _ = os.Stat(f.real)
	}
	return f
}

// realPath returns where a path leads, through all links, also one of which the
// end is not there yet.
func realPath(name string) string {
	name, err := filepath.Abs(name)
	if err != nil {
		return name
	}
	if real, err := filepath.EvalSymlinks(name); err == nil {
		return real
	}
	if dir := filepath.Dir(name); dir != name {
		return filepath.Join(realPath(dir), filepath.Base(name))
	}
	return name
}

// storageDirs returns the directories that a registry with this root has to
// itself: the root, and another one's where it lies inside of what that stores.
func storageDirs(root string) []string {
	dirs := []string{root}
	real := realPath(root)
	for above := filepath.Dir(real); above != filepath.Dir(above); above = filepath.Dir(above) {
		below := filepath.ToSlash(strings.TrimPrefix(real, above)) + "/"
		if strings.HasPrefix(below, "/docker/registry/v2/") || strings.HasPrefix(below, "/.berth-tmp/") {
			dirs = append(dirs, above)
		}
	}
	return dirs
}
