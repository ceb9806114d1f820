package conformance

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
)

// azurite's well-known account.
const (
	azureAccount   = "devstoreaccount1"
	azureKey       = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
	azureContainer = "berth"
	azureVersion   = "2021-12-02"
)

// azure is a container of azurite that anyone may list.
type azure struct {
	endpoint string // of the account
	key      string // file
}

func newAzure(t testing.TB) *azure {
	t.Helper()
	dir, port := t.TempDir(), strconv.Itoa(freePort(t))
	a := &azure{endpoint: "http://127.0.0.1:" + port + "/" + azureAccount, key: filepath.Join(dir, "key")}
	if err := os.WriteFile(a.key, []byte(azureKey+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(dir, "log")
	azurite, err := launch(log, program(t, "azurite-blob"), "--blobPort", port, "--inMemoryPersistence",
		"--skipApiVersionCheck", "--silent", "--disableTelemetry")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { azurite.kill(); showLog(t, log) })
	if err := azurite.waitFor("azurite", func() bool { return listens("127.0.0.1:" + port) }); err != nil {
		t.Fatal(err)
	}
	a.createContainer(t)
	return a
}

// answers reports whether azurite answers within some seconds.
func (a *azure) answers() bool {
	client := http.Client{Timeout: 3 * time.Second}
	resp, err := client.Get(a.endpoint + "/" + azureContainer + "/nothing")
	if err != nil {
		return false
	}
	resp.Body.Close()
	return true
}

// createContainer signs the request as "Authorize with Shared Key" of the Azure
// Storage services REST API describes.
func (a *azure) createContainer(t testing.TB) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPut, a.endpoint+"/"+azureContainer+"?restype=container", nil)
	if err != nil {
		t.Fatal(err)
	}
	date := time.Now().UTC().Format(http.TimeFormat)
	req.Header.Set("x-ms-blob-public-access", "container")
	req.Header.Set("x-ms-date", date)
	req.Header.Set("x-ms-version", azureVersion)
	// The verb and eleven headers that this request has not, then the x-ms- headers and the resource.
	text := "PUT" + strings.Repeat("\n", 12) +
		"x-ms-blob-public-access:container\nx-ms-date:" + date + "\nx-ms-version:" + azureVersion + "\n" +
		"/" + azureAccount + req.URL.Path + "\nrestype:container"
	key, err := base64.StdEncoding.DecodeString(azureKey)
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	req.Header.Set("Authorization", "SharedKey "+azureAccount+":"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		t.Fatalf("create container: %s", resp.Status)
	}
}

func (a *azure) config() map[string]any {
	return map[string]any{"backend": "azure", "azure": map[string]any{
		"account_name": azureAccount, "container": azureContainer, "endpoint": a.endpoint, "credentials_path": a.key,
	}}
}

func (a *azure) reference() map[string]any {
	return map[string]any{"azure": map[string]any{
		"accountname": azureAccount, "accountkey": azureKey, "container": azureContainer, "serviceurl": a.endpoint,
		"credentials": map[string]any{"type": "shared_key"},
	}, "redirect": map[string]any{"disable": true}}
}

func (a *azure) blobs(t testing.TB) map[digest.Digest]int64 {
	t.Helper()
	found, marker := map[digest.Digest]int64{}, ""
	for {
		page, err := a.list(marker)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range page.Blobs {
			// A driver may put a slash before the path.
			if d, ok := blobName(b.Name); ok && strings.Contains(b.Name, blobRoot) {
				found[d] = b.Size
			}
		}
		if marker = page.Next; marker == "" {
			return found
		}
	}
}

type azurePage struct {
	Blobs []struct {
		Name string
		Size int64 `xml:"Properties>Content-Length"`
	} `xml:"Blobs>Blob"`
	Next string `xml:"NextMarker"`
}

func (a *azure) list(marker string) (page azurePage, err error) {
	resp, err := http.Get(a.endpoint + "/" + azureContainer + "?restype=container&comp=list&marker=" + url.QueryEscape(marker))
	if err != nil {
		return page, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return page, fmt.Errorf("list container: %s", resp.Status)
	}
	return page, xml.NewDecoder(resp.Body).Decode(&page)
}
