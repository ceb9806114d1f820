package liar

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// sizeLies are about how much there is.
var sizeLies = map[Lie]teller{
	"HEAD is longer":  headOf(func(n int) string { return strconv.Itoa(n + 1) }),
	"HEAD is shorter": headOf(func(n int) string { return strconv.Itoa(n - 1) }),
	"HEAD is empty":   headOf(func(int) string { return "0" }),
	"HEAD is huge":    headOf(func(int) string { return strconv.Itoa(1 << 50) }),
	"HEAD has no length": everything("HEAD", func(_ *Registry, _ *http.Request, a *answer) {
		a.header.Del("Content-Length")
		a.header.Set("Transfer-Encoding", "chunked")
	}),
	"content is longer": everything("GET", func(_ *Registry, _ *http.Request, a *answer) {
		a.body = append(slices.Clip(a.body), " and more"...)
		a.fit()
	}),
	"content is longer, and does not say so": everything("GET", func(_ *Registry, _ *http.Request, a *answer) {
		a.body = append(slices.Clip(a.body), " and more"...)
		a.header.Del("Content-Length")
	}),
	"content is shorter": everything("GET", func(_ *Registry, _ *http.Request, a *answer) {
		a.body = a.body[:len(a.body)/2]
		a.fit()
	}),
	"content is shorter, and does not say so": everything("GET", func(_ *Registry, _ *http.Request, a *answer) {
		a.body = a.body[:len(a.body)/2]
		a.header.Del("Content-Length")
	}),
	"content is cut": everything("GET", func(_ *Registry, _ *http.Request, a *answer) {
		a.fit()
		a.body = a.body[:len(a.body)/2]
	}),
	"content has no end":  noEnd,
	"parts are of others": parted(func(int) string { return "bytes 1-%d/%d" }),
	"parts are of more":   parted(func(n int) string { return fmt.Sprintf("bytes 0-%d/%d", n-1, n+1) }),
}

// everything is about manifests and blobs.
func everything(methods string, change func(r *Registry, req *http.Request, a *answer)) teller {
	return both(about("manifests", methods, change), about("blobs", methods, change), "manifests")
}

func headOf(length func(int) string) teller {
	return everything("HEAD", func(_ *Registry, _ *http.Request, a *answer) {
		n, _ := strconv.Atoi(a.header.Get("Content-Length"))
		a.set("Content-Length", length(n))
	})
}

// parted answers a request for all of a blob with what calls itself a part.
func parted(contentRange func(size int) string) teller {
	return about("blobs", "GET", func(_ *Registry, _ *http.Request, a *answer) {
		text := contentRange(len(a.body))
		if strings.Contains(text, "%") {
			text = fmt.Sprintf(text, len(a.body), len(a.body))
		}
		a.set("Content-Range", text)
		a.status = http.StatusPartialContent
	})
}

// noEnd gives content and never stops.
func noEnd(r *Registry, w http.ResponseWriter, req *http.Request) {
	if p := partsOf(req); p.kind != "manifests" && p.kind != "blobs" || req.Method != http.MethodGet {
		r.Honest.ServeHTTP(w, req)
		return
	}
	a := r.ask(req)
	if a.ok() {
		a.header.Del("Content-Length")
	}
	a.send(w, req)
	for more := make([]byte, 64<<10); a.ok(); {
		if _, err := w.Write(more); err != nil {
			return
		}
	}
}
