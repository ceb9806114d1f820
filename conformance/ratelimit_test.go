package conformance

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var rateTime = flag.Duration("rate.time", 12*time.Second, "for how long TestRateLimit counts requests")

// TestRateLimit counts the requests that come to the registry while berth has much
// to ask: as many as the config allows, within 5 %.
func TestRateLimit(t *testing.T) {
	const perSecond, burst = 10, 1
	var mu sync.Mutex
	var asked []time.Time
	// A list of many tags, each of which is then asked about, all at once.
	tags := make([]string, int(rateTime.Seconds()*perSecond))
	for n := range tags {
		tags[n] = fmt.Sprint("t", n)
	}
	registry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked = append(asked, time.Now())
		mu.Unlock()
		if !strings.HasSuffix(r.URL.Path, "/tags/list") {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"name": "data/many", "tags": tags})
	}))
	defer registry.Close()
	u := newUser(t, portOf(t, registry.URL), map[string]any{"remote": map[string]any{
		"rate_limit": map[string]any{"requests_per_second": perSecond, "burst": burst},
	}})
	cmd := u.command("ls", "data/many")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if len(asked) != len(tags)+1 {
		t.Errorf("%d requests for %d tags", len(asked), len(tags))
	}
	took := asked[len(asked)-1].Sub(asked[0])
	rate := float64(len(asked)-1) / took.Seconds()
	t.Logf("%d requests in %v: %.2f a second", len(asked), took, rate)
	if rate < perSecond*0.95 || rate > perSecond*1.05 {
		t.Errorf("%.2f requests a second, not %d within 5 %%", rate, perSecond)
	}
}

// TestRetryAfter waits as long as the registry asks for.
func TestRetryAfter(t *testing.T) {
	s := newServer(t, setup{})
	parcel := newParcel(t, s, "patient", 17*mib)
	for method, args := range map[string][]string{
		http.MethodGet:  {"pull", "data/patient:v1"},
		http.MethodHead: nil, http.MethodPost: nil, http.MethodPatch: nil, http.MethodPut: nil,
	} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			p := newProxy(t, s.url)
			u := newUser(t, p.port, map[string]any{"namespaces": map[string]any{"custom": map[string]any{"data": "data", "new": "after-" + strings.ToLower(method)}}})
			if args == nil {
				args = []string{"push", "new", parcel.dir, "--version", "1.0.0", "--tag", "v1"}
			}
			p.spoil(fault{methods(method), answers(http.StatusTooManyRequests, "Retry-After", "1")}, 1)
			o := u.run(args...)
			if hits := p.heal(); o.code != 0 || hits != 1 {
				t.Fatalf("exit code %d after %d refusals: %s", o.code, hits, o.stderr)
			}
			// Uploads are opened at one path: another one is, meanwhile.
			others := map[string]int{http.MethodPost: 1}[method]
			var again time.Duration
			for _, x := range p.requests(methods(method)) {
				if x.path != p.spoilt.path || !x.at.After(p.spoilt.at) {
					continue
				}
				if again = x.at.Sub(p.spoilt.at); again >= time.Second {
					return
				}
				if others--; others < 0 {
					break
				}
			}
			t.Errorf("%s was asked for again after %v, 0 for never", p.spoilt.path, again)
		})
	}
}

// TestProxies looks at which requests come to the proxy of the config, and which
// go around it.
func TestProxies(t *testing.T) {
	s := newServer(t, setup{})
	parcel := newParcel(t, s, "proxied", 100_000)
	var seen atomic.Int64
	port := serveHTTP(t, &httputil.ReverseProxy{ErrorLog: quiet(), Rewrite: func(r *httputil.ProxyRequest) {
		seen.Add(1)
		r.Out.URL.Scheme, r.Out.URL.Host = "http", fmt.Sprintf("127.0.0.1:%d", s.port)
	}})
	proxy := fmt.Sprintf("http://127.0.0.1:%d", port)
	const away = "registry.invalid" // which only the proxy can reach
	for _, c := range []struct {
		name    string
		host    string
		remote  map[string]any
		env     string
		through bool
		code    int
	}{
		{"by the config", away, map[string]any{"http_proxy": proxy}, "", true, exitOK},
		{"by the environment", away, nil, "http_proxy=" + proxy, true, exitOK},
		{"this machine, by the config", "127.0.0.1", map[string]any{"http_proxy": proxy}, "", true, exitOK},
		{"this machine, by the environment", "127.0.0.1", nil, "http_proxy=" + proxy, false, exitOK},
		{"this machine, excluded", "127.0.0.1", map[string]any{"http_proxy": proxy, "no_proxy": []string{"127.0.0.1"}}, "", false, exitOK},
		{"a network, excluded", "127.0.0.1", map[string]any{"http_proxy": proxy, "no_proxy": []string{"127.0.0.0/8"}}, "", false, exitOK},
		{"another port, excluded", "127.0.0.1", map[string]any{"http_proxy": proxy, "no_proxy": []string{"127.0.0.1:1"}}, "", true, exitOK},
		{"excluded", away, map[string]any{"http_proxy": proxy, "no_proxy": []string{away}, "retries": 0}, "", false, exitUnavailable},
		{"its domain excluded", away, map[string]any{"http_proxy": proxy, "no_proxy": []string{".invalid"}, "retries": 0}, "", false, exitUnavailable},
		{"excluded in the config", away, map[string]any{"no_proxy": []string{away}, "retries": 0}, "http_proxy=" + proxy, false, exitUnavailable},
		{"only https", "127.0.0.1", map[string]any{"https_proxy": proxy}, "", false, exitOK},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.remote == nil {
				c.remote = map[string]any{}
			}
			c.remote["timeout"] = 5
			u := newUser(t, s.port, map[string]any{"endpoint": c.host, "remote": c.remote, "pull_policy": map[string]any{"policy": "always", "allow_insecure": true}})
			if c.env != "" {
				u.env = append(u.env, c.env)
			}
			seen.Store(0)
			o := u.run("pull", "data/proxied:v1", "-o", u.path("out"))
			if o.code != c.code {
				t.Fatalf("exit code %d: %s", o.code, o.stderr)
			}
			if (seen.Load() > 0) != c.through {
				t.Errorf("the proxy has seen %d requests", seen.Load())
			}
			if c.code == exitOK {
				sameTree(t, u.path("out"), parcel.tree)
			}
		})
	}
}

func portOf(t *testing.T, base string) (port int) {
	t.Helper()
	u, err := url.Parse(base)
	if err == nil {
		_, err = fmt.Fscan(io.Reader(strings.NewReader(u.Port())), &port)
	}
	if err != nil {
		t.Fatal(err)
	}
	return port
}
