// Package record keeps what a benchmark measured.
package record

import (
	"encoding/json"
	"os"
	"runtime"
	"time"
)

// Write writes options and results to a file as JSON, with the time and the machine
// they are of. It does nothing when file is "".
func Write(file string, options, results any) error {
	if file == "" {
		return nil
	}
	text, err := json.MarshalIndent(struct {
		Time    time.Time `json:"time"`
		System  string    `json:"system"`
		Cores   int       `json:"cores"`
		Options any       `json:"options"`
		Results any       `json:"results"`
	}{time.Now().UTC(), runtime.GOOS + "/" + runtime.GOARCH, runtime.NumCPU(), options, results}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}
