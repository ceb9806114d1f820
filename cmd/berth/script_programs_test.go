package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/rogpeppe/go-internal/testscript"
)

// slowput uploads a blob to a repository, one piece after the other:
//
//	slowput REPOSITORY-URL PIECES PAUSE FILE
//
// It makes FILE when the first piece is on its way, and prints the digest.
func slowput() {
	if err := slowUpload(os.Args[1], os.Args[2], os.Args[3], os.Args[4]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func slowUpload(repo, count, pause, started string) error {
	var pieces int
	if _, err := fmt.Sscan(count, &pieces); err != nil {
		return err
	}
	wait, err := time.ParseDuration(pause)
	if err != nil {
		return err
	}
	const piece = 1 << 10
	content := strings.Repeat("x", piece*pieces)
	post, err := http.Post(repo+"/blobs/uploads/", "", nil)
	if err != nil {
		return err
	}
	post.Body.Close()
	r, w := io.Pipe()
	go func() {
		for i := 0; i < len(content); i += piece {
			_, _ = io.WriteString(w, content[i:i+piece])
			_ = os.WriteFile(started, nil, 0o666)
			time.Sleep(wait)
		}
		w.Close()
	}()
	sum := digest.FromString(content)
	req, err := http.NewRequest(http.MethodPut, post.Header.Get("Location")+"&digest="+sum.String(), r)
	if err != nil {
		return err
	}
	req.ContentLength = int64(len(content))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		return errors.New(resp.Status)
	}
	fmt.Println(sum)
	return nil
}

// holdport listens on an address and makes a file when it does:
//
//	holdport ADDRESS FILE
func holdport() {
	l, err := net.Listen("tcp", os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer l.Close()
	_ = os.WriteFile(os.Args[2], nil, 0o666)
	time.Sleep(time.Minute) // the script ends it
}

// cert is a script command: it writes a self-signed certificate and its key.
func cert(ts *testscript.TestScript, _ bool, args []string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "127.0.0.1"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	ts.Check(err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	ts.Check(err)
	for i, block := range []*pem.Block{{Type: "CERTIFICATE", Bytes: der}, {Type: "PRIVATE KEY", Bytes: private}} {
		name := ts.MkAbs(args[i])
		ts.Check(os.MkdirAll(filepath.Dir(name), 0o777))
		ts.Check(os.WriteFile(name, pem.EncodeToMemory(block), 0o600))
	}
}
