package artifact

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
)

// StateOf returns what changes when a directory does: of the names, sizes, modes and
// times of all that is in it. It reads no file, so that it is quick, and not sure.
func StateOf(dir string) string {
	sum := sha256.New()
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		fmt.Fprintf(sum, "%q %d %v %d\n", name, info.Size(), info.Mode(), info.ModTime().UnixNano())
		return nil
	})
	if err != nil {
		fmt.Fprintf(sum, "%v\n", err)
	}
	return hex.EncodeToString(sum.Sum(nil))
}
