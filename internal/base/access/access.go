// Package access says what may stand in the files of who may use a local
// registry, users with their password hashes and tokens, and what a user name, a
// password and a token may be. It is one rule for all: who checks a config, who
// makes such a file, the gate that reads it while it serves, and clients. It reads
// no file and verifies nobody.
package access

import (
	"fmt"
	"iter"
	"strings"
)

// Fault is what is wrong with a file. It repeats no password, hash or token.
type Fault struct {
	Line    int    // from 1
	Problem string // as in: not a user and a hash
	Hint    string // what to do about it
}

// Error implements error.
func (f *Fault) Error() string { return fmt.Sprintf("line %d: %s", f.Line, f.Problem) }

const byteOrderMark = "\ufeff"

// entries are the lines that count, with their numbers and without space around
// them: blank ones and those that begin with # do not.
func entries(content string) iter.Seq2[int, string] {
	return func(yield func(int, string) bool) {
		number := 0
		for line := range strings.Lines(content) {
			number++
			line = strings.TrimSpace(line)
			if line != "" && line[0] != '#' && !yield(number, line) {
				return
			}
		}
	}
}

// marked is the fault of a file that begins with a byte order mark, which would
// be part of its first name.
func marked(content string) []*Fault {
	if strings.HasPrefix(content, byteOrderMark) {
		return []*Fault{{Line: 1, Problem: "a byte order mark before the first character", Hint: "save the file as UTF-8 without a byte order mark"}}
	}
	return nil
}
