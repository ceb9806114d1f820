package conformance

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// strangers are refused, whatever they ask for and however they ask.
func strangers(t *testing.T, k *kit) {
	i := realImage(t, "amd64")
	if err := k.client.push(context.Background(), "clients/secret", "v1", i); err != nil {
		t.Fatal(err)
	}
	blob := "/v2/clients/secret/blobs/" + i.blobs[0].digest.String()
	for _, header := range []http.Header{
		{"Authorization": {""}}, // none: the client would add its own
		{"Authorization": {"Basic " + "YWRtaW46d3Jvbmc="}},
		{"Authorization": {"Basic !"}},
		{"Authorization": {"Bearer wrong"}},
		{"Authorization": {"Bearer "}},
		{"Authorization": {"Bearer " + password}},
	} {
		for _, request := range []string{
			"GET /v2/", "GET /v2/_catalog", "GET /v2/clients/secret/tags/list", "GET " + blob, "HEAD " + blob, "DELETE " + blob,
			"GET /v2/clients/secret/manifests/v1", "PUT /v2/clients/secret/manifests/v2", "DELETE /v2/clients/secret/manifests/v1",
			"GET /v2/clients/secret/referrers/" + i.root().digest.String(), "POST /v2/clients/secret/blobs/uploads/",
		} {
			method, path, _ := strings.Cut(request, " ")
			c := *k.client
			c.user = ""
			a, err := c.do(context.Background(), method, path, header, nil)
			if err != nil || a.status != http.StatusUnauthorized {
				t.Errorf("%s with %q: %v, %v", request, header, a, err)
				continue
			}
			if challenge := a.header.Get("WWW-Authenticate"); !strings.HasPrefix(challenge, "Basic realm=") {
				t.Errorf("%s: WWW-Authenticate is %q", request, challenge)
			}
			if method != http.MethodHead && fmt.Sprint(a.codes()) != "[UNAUTHORIZED]" {
				t.Errorf("%s: the error is %v", request, a)
			}
		}
	}
	if _, err := newPuller(k.client, "clients/secret").pull(context.Background(), "v1"); err != nil {
		t.Errorf("after that: %v", err)
	}
	stranger := *k
	stranger.env = append(k.env, "DOCKER_CONFIG="+t.TempDir(), "REGISTRY_AUTH_FILE=/nowhere")
	if out, err := stranger.try("crane", "digest", k.host+"/clients/secret:v1"); err == nil || !strings.Contains(strings.ToUpper(out), "UNAUTHORIZED") {
		t.Errorf("crane without a password: %s, %v", out, err)
	}
}

// staticToken lets a client in with a bearer token instead of a password.
func staticToken(t *testing.T, k *kit) {
	c := *k.client
	c.user = ""
	for _, value := range []string{"Bearer " + token, "bearer " + token} {
		a, err := c.do(context.Background(), http.MethodGet, "/v2/_catalog", http.Header{"Authorization": {value}}, nil)
		if err != nil || a.status != http.StatusOK {
			t.Errorf("GET /v2/_catalog with %q: %v, %v", value, a, err)
		}
	}
	home := t.TempDir()
	writeFile(t, home, "config.json", fmt.Sprintf(`{"auths":{%q:{"registrytoken":%q}}}`, k.host, token))
	holder := *k
	holder.env = append(k.env, "DOCKER_CONFIG="+home, "REGISTRY_AUTH_FILE=/nowhere")
	i := realImage(t, "amd64")
	holder.crane("push", writeLayout(t, i, "v1"), k.host+"/clients/token:v1")
	if got := strings.TrimSpace(holder.crane("digest", k.host+"/clients/token:v1")); got != i.root().digest.String() {
		t.Errorf("crane with a token pushed %s and gets %s", i.root().digest, got)
	}
}
