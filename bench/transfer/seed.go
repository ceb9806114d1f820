//go:build unix

package transfer

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
)

// seed puts small images that share a layer into a registry: one for each tag,
// with a layer and a config of its own.
func seed(host, repo string, tags int) error {
	s := seeder{"http://" + host + "/v2/" + repo}
	random := rand.New(rand.NewChaCha8([32]byte{7}))
	shared, err := s.layer(random, 4<<20)
	if err != nil {
		return err
	}
	for i := range tags {
		own, err := s.layer(random, 20_000)
		if err != nil {
			return err
		}
		data, config, err := encode(configType, configOf([]string{shared.Digest, own.Digest}))
		if err != nil {
			return err
		}
		if err := s.blob(config, data); err != nil {
			return err
		}
		data, manifest, err := encode(manifestType, manifestOf(config, []descriptor{shared, own}))
		if err != nil {
			return err
		}
		if err := s.put(fmt.Sprintf("%s/manifests/v%d", s.url, i), manifest.MediaType, data); err != nil {
			return err
		}
	}
	return nil
}

type seeder struct{ url string }

// layer puts random bytes that begin as gzip does: some clients compress others.
func (s seeder) layer(random *rand.Rand, size int) (descriptor, error) {
	data := make([]byte, size)
	noise(data, random)
	copy(data, "\x1f\x8b\x08")
	sum := sha256.Sum256(data)
	d := descriptor{MediaType: layerType, Digest: "sha256:" + hex.EncodeToString(sum[:]), Size: int64(size)}
	return d, s.blob(d, data)
}

func (s seeder) blob(d descriptor, data []byte) error {
	resp, err := http.Post(s.url+"/blobs/uploads/", "", nil)
	if err != nil {
		return err
	}
	resp.Body.Close()
	at, err := resp.Location()
	if err != nil {
		return err
	}
	query := at.Query()
	query.Set("digest", d.Digest)
	at.RawQuery = query.Encode()
	return s.put(at.String(), "application/octet-stream", data)
}

func (s seeder) put(address, mediaType string, data []byte) error {
	req, err := http.NewRequest(http.MethodPut, address, bytes.NewReader(data))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", mediaType)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, resp.Body)
	if resp.StatusCode != http.StatusCreated {
		return fmt.Errorf("PUT %s: %s", address, resp.Status)
	}
	return nil
}
