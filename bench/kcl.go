//go:build unix

package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/berth-oci/berth/bench/record"
)

// kcl runs the command line that follows the word "kcl".
func kcl(args []string) error {
	var b kclBench
	f := flag.NewFlagSet("kcl", flag.ContinueOnError)
	f.StringVar(&b.berth, "berth", "berth", "berth program")
	f.StringVar(&b.baseline, "baseline", "", "another build of berth, measured in the same turns (`program`)")
	f.StringVar(&b.python, "python", "", "Python with kcl-lib, for the reference beside berth")
	f.IntVar(&b.runs, "runs", 11, "measurements of each")
	if err := f.Parse(args); err != nil {
		return err
	}
	return b.run()
}

// kclBench measures configs of several sizes, as whole processes: berth beside
// the reference KCL runtime, which is a Python package, and beside another build.
type kclBench struct {
	berth, baseline string
	python          string
	runs            int
	dir             string
}

// kclCase is one program. With schema it is a registry config.
type kclCase struct {
	name, file string
	registry   bool
}

func (b *kclBench) run() (err error) {
	if b.dir, err = os.MkdirTemp("", "berth-bench-*"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	cases, err := b.write()
	if err != nil {
		return err
	}
	fmt.Println("| program | berth, whole process | reference, whole process | without its interpreter | reference/berth, without | berth RSS | reference RSS | before | cost to before |\n|---|---|---|---|---|---|---|---|---|")
	for _, c := range cases {
		if err := b.measure(c); err != nil {
			return err
		}
	}
	return nil
}

// write writes the programs into the directory, with the schema and the script
// that runs the reference.
func (b *kclBench) write() ([]kclCase, error) {
	schema, err := exec.Command(b.berth, "schema", "kcl").Output()
	if err != nil {
		return nil, fmt.Errorf("%s schema kcl: %w", b.berth, err)
	}
	files := map[string]string{
		"oci_registry.k": string(schema), "reference.py": reference,
		"instances.k": instances,
	}
	cases := []kclCase{}
	for _, lines := range []int{10, 450, 10_000} {
		name := fmt.Sprintf("config-%d.k", lines)
		files[name] = config(lines)
		cases = append(cases, kclCase{fmt.Sprintf("validate, %d lines", lines), name, true})
	}
	cases = append(cases, kclCase{"kcl run, 1,000 instances", "instances.k", false})
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(b.dir, name), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	return cases, nil
}

func (b *kclBench) measure(c kclCase) error {
	arguments := []string{"kcl", "run", c.file}
	theirs := []string{b.python, "reference.py", c.file}
	if c.registry {
		arguments = []string{"validate", c.file}
		theirs = append(theirs, "oci_registry.k")
	}
	var ours, then, reference, inner []sample
	for n := range b.runs {
		turns := []struct {
			program string
			to      *[]sample
		}{{b.berth, &ours}, {b.baseline, &then}}
		if n%2 == 1 {
			slices.Reverse(turns)
		}
		for _, turn := range turns {
			if turn.program == "" {
				continue
			}
			if err := add(turn.to, b.dir, append([]string{turn.program}, arguments...)); err != nil {
				return err
			}
		}
		if b.python == "" {
			continue
		}
		if err := add(&reference, b.dir, theirs); err != nil {
			return err
		}
		if err := b.addInner(&inner); err != nil {
			return err
		}
	}
	b.line(c, ours, then, reference, inner)
	return nil
}

// addInner adds what the reference took without the start of its interpreter.
func (b *kclBench) addInner(samples *[]sample) error {
	text, err := os.ReadFile(filepath.Join(b.dir, "seconds"))
	if err != nil {
		return err
	}
	seconds, err := strconv.ParseFloat(strings.TrimSpace(string(text)), 64)
	*samples = append(*samples, sample{wall: time.Duration(seconds * float64(time.Second))})
	return err
}

// line prints one row; what was not measured is blank.
func (b *kclBench) line(c kclCase, ours, then, reference, inner []sample) {
	cost := record.Cost(walls(ours), walls(then), true)
	x := median(ours)
	fmt.Printf("| %s | %s |", c.name, milliseconds(x.wall))
	if len(reference) > 0 {
		y, z := median(reference), median(inner)
		fmt.Printf(" %s | %s | %.1f | %s | %s |", milliseconds(y.wall), milliseconds(z.wall), z.wall.Seconds()/x.wall.Seconds(), mib(x.rss), mib(y.rss))
	} else {
		fmt.Printf(" | | | %s | |", mib(x.rss))
	}
	if len(then) > 0 {
		fmt.Printf(" %s |", milliseconds(median(then).wall))
	} else {
		fmt.Print(" |")
	}
	fmt.Printf(" %s |\n", cost)
}

// walls are the seconds of samples, in their order.
func walls(samples []sample) (seconds []float64) {
	for _, s := range samples {
		seconds = append(seconds, s.wall.Seconds())
	}
	return seconds
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
}

// reference evaluates the files and notes the time of that alone.
const reference = `import sys, time
import kcl_lib.api as kcl
files = sys.argv[1:]
api = kcl.API()
start = time.perf_counter()
r = api.exec_program(kcl.ExecProgramArgs(work_dir=".", k_filename_list=files[::-1]))
spent = time.perf_counter() - start
if r.err_message:
    sys.exit(r.err_message)
open("seconds", "w").write(str(spent))
`

const instances = `schema Server:
    name: str
    port: int = 80
    url: str = "http://${name}:${port}"
    tags: [str] = []

    check:
        0 < port < 65536, "bad port"
        len(name) > 0

servers = [Server {name = "s${i}", port = 1000 + i, tags = ["a", "b"]} for i in range(1000)]
`

// config returns a registry config of so many lines.
func config(lines int) string {
	var b strings.Builder
	b.WriteString(`OCIRegistryConfig {
    deployment = "remote"
    type = "harbor"
    endpoint = "registry.example.com"
    tls_enabled = True
    remote = RemoteOCIConfig {timeout = 10}
`)
	rest := lines - 7 // of which those around the blocks below are taken
	if rest < 20 {
		for i := range rest {
			fmt.Fprintf(&b, "    # line %d\n", i)
		}
		return b.String() + "}\n"
	}
	b.WriteString("    namespaces = OCINamespaces {\n        custom = {\n")
	custom := (rest - 10) / 3
	for i := range custom {
		fmt.Fprintf(&b, "            team%d = \"team-%d/apps\"\n", i, i)
	}
	b.WriteString("        }\n    }\n    features = OCIRegistryFeatures {\n        quota_enabled = True\n        quota_config = QuotaConfig {namespace_quotas = {\n")
	for i := range (rest - 10 - custom) / 4 {
		fmt.Fprintf(&b, "            \"team-%d/apps\": NamespaceQuota {\n                storage_limit_gb = %d\n                artifact_limit = %d\n            }\n", i, i%100+1, i%1000+1)
	}
	b.WriteString("        }}\n    }\n}\n")
	return b.String()
}

// sample is one measurement of one process.
type sample struct {
	wall time.Duration
	rss  int64 // bytes
}

func add(samples *[]sample, dir string, args []string) error {
	s, err := measure(dir, args...)
	*samples = append(*samples, s)
	return err
}

func measure(dir string, args ...string) (sample, error) {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = dir
	start := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		return sample{}, fmt.Errorf("%v: %w\n%s", args, err, out)
	}
	s := sample{wall: time.Since(start)}
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		s.rss = int64(usage.Maxrss)
		if runtime.GOOS == "linux" { // getrusage(2): kilobytes there
			s.rss <<= 10
		}
	}
	return s, nil
}

// median leaves its argument as it is.
func median(s []sample) sample {
	s = slices.Clone(s)
	slices.SortFunc(s, func(a, b sample) int { return int(a.wall - b.wall) })
	return s[len(s)/2]
}

func mib(n int64) string { return fmt.Sprintf("%d MiB", n>>20) }
