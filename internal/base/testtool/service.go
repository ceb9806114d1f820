package testtool

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
)

// Service is a program that serves on a loopback port until the test ends. Stop
// and Start make an outage.
type Service struct {
	Address string // host:port
	program string
	args    []string
	cmd     *exec.Cmd
	output  bytes.Buffer
}

// S3Service is an S3 service with one empty bucket.
type S3Service struct {
	*Service
	Endpoint, Bucket, Key, Secret string
}

// AzureService is an Azure Blob service with one empty container.
type AzureService struct {
	*Service
	Endpoint, Account, Key, Container string
}

// S3 starts an S3 service with a bucket: versitygw on a temporary directory.
func S3(t testing.TB) *S3Service {
	t.Helper()
	dir, address := t.TempDir(), freeAddress(t)
	s := &S3Service{Endpoint: "http://" + address, Bucket: "bucket", Key: "access", Secret: "a-secret"}
	if err := os.Mkdir(filepath.Join(dir, s.Bucket), 0o700); err != nil {
		t.Fatal(err)
	}
	s.Service = serve(t, address, "versitygw", "--quiet", "--keep-alive", "--access", s.Key, "--secret", s.Secret, "--port", address, "posix", dir)
	return s
}

// Azure starts an Azure Blob service with a container: azurite on a temporary
// directory.
func Azure(t testing.TB) *AzureService {
	t.Helper()
	dir, address := t.TempDir(), freeAddress(t)
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	s := &AzureService{
		// The account that azurite has, with the key that its manual publishes.
		Account: "devstoreaccount1", Container: "container",
		Key: "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
	}
	s.Endpoint = "http://" + address + "/" + s.Account
	s.Service = serve(t, address, "azurite-blob", "--silent", "--skipApiVersionCheck", "--blobHost", host, "--blobPort", port, "--location", dir)
	credential, err := container.NewSharedKeyCredential(s.Account, s.Key)
	if err != nil {
		t.Fatal(err)
	}
	client, err := container.NewClientWithSharedKeyCredential(s.Endpoint+"/"+s.Container, credential, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Create(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	return s
}

// freeAddress returns a loopback address that nothing listens on.
func freeAddress(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func serve(t testing.TB, address, program string, args ...string) *Service {
	t.Helper()
	s := &Service{Address: address, program: Path(t, program), args: args}
	s.Start(t)
	t.Cleanup(s.Stop)
	return s
}

// Start starts the program and waits until it listens.
func (s *Service) Start(t testing.TB) {
	t.Helper()
	s.cmd = exec.Command(s.program, s.args...)
	s.cmd.Stdout, s.cmd.Stderr = &s.output, &s.output
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		conn, err := net.DialTimeout("tcp", s.Address, time.Second)
		if err == nil {
			_ = conn.Close()
			return
		}
		if time.Now().After(deadline) {
			s.Stop()
			t.Fatalf("%s does not listen on %s: %v\n%s", s.program, s.Address, err, s.output.String())
		}
	}
}

// Stop ends the program, which keeps what it has. A second Stop does nothing.
func (s *Service) Stop() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	kill := time.AfterFunc(5*time.Second, func() { _ = s.cmd.Process.Kill() })
	_ = s.cmd.Wait()
	kill.Stop()
	s.cmd = nil
}
