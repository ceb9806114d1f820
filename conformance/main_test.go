package conformance

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"
)

var (
	berthFlag     = flag.String("berth", "", "`PROGRAM` under test; built from this repository when empty")
	referenceFlag = flag.String("reference", "", "`PROGRAM` of CNCF distribution to test instead of berth, to see what the tests find in it")
	stressTime    = flag.Duration("stress.time", 0, "how long TestStress runs on each storage; 0 is the short form")
	stressSeed    = flag.Uint64("stress.seed", uint64(time.Now().UnixNano()), "seed of what TestStress does")
	hostileTags   = flag.Int("hostile.tags", 100_000, "tags in the list that TestHostile pages through")
)

// berth is the program under test, once TestMain has built it.
var berth string

func TestMain(m *testing.M) {
	flag.Parse()
	// Parallel tests wait for other processes, most of the time.
	if parallel := flag.Lookup("test.parallel"); parallel.Value.String() == fmt.Sprint(runtime.GOMAXPROCS(0)) {
		_ = parallel.Value.Set(fmt.Sprint(4 * runtime.GOMAXPROCS(0)))
	}
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	if *berthFlag != "" {
		berth, err = filepath.Abs(*berthFlag)
		if err != nil {
			return 0, err
		}
		return m.Run(), nil
	}
	dir, err := os.MkdirTemp("", "berth-conformance-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	berth = filepath.Join(dir, "berth")
	build := exec.Command("go", slices.Concat([]string{"build", "-o", berth}, buildFlags, []string{"./cmd/berth"})...)
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("build berth: %w\n%s", err, out)
	}
	return m.Run(), nil
}

// program returns the path of a program that a test needs. Without it the test
// is skipped, or fails where BERTH_TEST_NO_SKIP is 1, as in CI.
func program(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		skip(t, name+" is not installed")
	}
	return path
}

// skip ends a test that cannot run here; in CI that is a failure. It is noted in the
// file that BERTH_TEST_SKIPS names, which make check shows in the end.
func skip(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("BERTH_TEST_NO_SKIP") == "1" {
		t.Fatalf("%s, and BERTH_TEST_NO_SKIP=1", why)
	}
	if name := os.Getenv("BERTH_TEST_SKIPS"); name != "" {
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		fmt.Fprintf(f, "%s: %s\n", t.Name(), why)
	}
	t.Skip(why)
}

// needsBerth skips what CNCF distribution has no counterpart of.
func needsBerth(t testing.TB) {
	t.Helper()
	if *referenceFlag != "" {
		skip(t, "only berth has this, and -reference is given")
	}
}
