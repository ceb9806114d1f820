package main

import (
	"bytes"
	"crypto/tls"
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/rogpeppe/go-internal/testscript"
)

// Commands of scripts that talk to a registry; script_test.go lists them.

// request is http.
func request(ts *testscript.TestScript, _ bool, args []string) {
	var user, token, file string
	header, again := http.Header{}, false
	flags := flag.NewFlagSet("http", flag.ContinueOnError)
	flags.BoolVar(&again, "w", false, "")
	flags.StringVar(&user, "u", "", "")
	flags.StringVar(&token, "t", "", "")
	flags.StringVar(&file, "d", "", "")
	flags.Func("H", "", func(s string) error {
		name, value, _ := strings.Cut(s, "=")
		header.Add(name, value)
		return nil
	})
	ts.Check(flags.Parse(args))
	if args = flags.Args(); len(args) != 3 {
		ts.Fatalf("usage: http [-w] [-u USER:PASS] [-t TOKEN] [-d FILE] [-H NAME=VALUE] METHOD URL STATUS")
	}
	var content []byte
	if file != "" {
		content = []byte(ts.ReadFile(file))
	}
	req, err := http.NewRequest(args[0], args[1], bytes.NewReader(content))
	ts.Check(err)
	req.Header = header
	if name, password, ok := strings.Cut(user, ":"); ok {
		req.SetBasicAuth(name, password)
	}
	if token != "" {
		header.Set("Authorization", "Bearer "+token)
	}
	resp, body, err := roundTrip(req)
	for deadline := time.Now().Add(5 * time.Second); again && time.Now().Before(deadline) && (err != nil || strconv.Itoa(resp.StatusCode) != args[2]); {
		time.Sleep(20 * time.Millisecond)
		resp, body, err = roundTrip(req)
	}
	ts.Check(err)
	fmt.Fprintln(ts.Stdout(), string(body))
	ts.Check(resp.Header.Write(ts.Stderr()))
	if strconv.Itoa(resp.StatusCode) != args[2] {
		ts.Fatalf("%s %s answers %s: %s", args[0], args[1], resp.Status, body)
	}
}

func roundTrip(req *http.Request) (*http.Response, []byte, error) {
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp, body, err
}

func upload(ts *testscript.TestScript, _ bool, args []string) {
	digestOf(ts, false, []string{args[0], args[2]})
	start, err := http.NewRequest(http.MethodPost, args[1]+"/blobs/uploads/", nil)
	ts.Check(err)
	resp, _, err := roundTrip(start)
	ts.Check(err)
	place := resp.Header.Get("Location") + "&digest=" + ts.Getenv(args[0])
	put, err := http.NewRequest(http.MethodPut, place, strings.NewReader(ts.ReadFile(args[2])))
	ts.Check(err)
	resp, body, err := roundTrip(put)
	ts.Check(err)
	if resp.StatusCode != http.StatusCreated {
		ts.Fatalf("PUT %s answers %s: %s", place, resp.Status, body)
	}
}

func digestOf(ts *testscript.TestScript, _ bool, args []string) {
	content := ts.ReadFile(args[1])
	d := digest.FromString(content)
	ts.Setenv(args[0], d.String())
	ts.Setenv(args[0]+"_SIZE", strconv.Itoa(len(content)))
	ts.Setenv(args[0]+"_PATH", d.Encoded()[:2]+"/"+d.Encoded()) // as the layout on disk has it
}

func fill(ts *testscript.TestScript, _ bool, args []string) {
	size, err := strconv.Atoi(args[1])
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), bytes.Repeat([]byte{'x'}, size), 0o600))
}

func flip(ts *testscript.TestScript, _ bool, args []string) {
	content := []byte(ts.ReadFile(args[0]))
	content[len(content)/2] ^= 1
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), content, 0o600))
}

func shows(ts *testscript.TestScript, _ bool, args []string) {
	block, _ := pem.Decode([]byte(ts.ReadFile(args[1])))
	for range 150 {
		conn, err := tls.Dial("tcp", args[0], &tls.Config{InsecureSkipVerify: true})
		ts.Check(err)
		got := conn.ConnectionState().PeerCertificates[0].Raw
		conn.Close()
		if bytes.Equal(got, block.Bytes) {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	ts.Fatalf("%s shows another certificate than %s", args[0], args[1])
}

func until(ts *testscript.TestScript, _ bool, args []string) {
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		_ = ts.Exec(args[2], args[3:]...) // it may fail until then
		if strings.Contains(ts.ReadFile(args[0]), args[1]) {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	ts.Fatalf("%s never has %q", args[0], args[1])
}
