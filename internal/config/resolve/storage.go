package resolve

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/robfig/cron/v3"

	"github.com/berth-oci/berth/spec"
)

const s3Endpoint = "local.storage_config.s3.endpoint"

// storage settles where a local registry stores and how it looks after that.
// Settings of the backends that are not used are left alone: a config may hold
// several and choose one.
func (r *resolver) storage() {
	l := r.Target.Local
	s := l.Storage
	l.Backend = s.Backend
	if l.Root = r.path("local.storage_config.rootdirectory", s.RootDirectory); l.Root == "" {
		l.Root = l.DataDir
	}
	switch {
	case l.Backend == "s3" && s.S3 != nil:
		l.S3 = &S3{
			Bucket: s.S3.Bucket, Region: s.S3.Region, Prefix: strings.Trim(value(s.S3.Prefix), "/"),
			Endpoint:  r.hostPort(s3Endpoint, value(s.S3.Endpoint).Reveal()),
			PathStyle: s.S3.ForcePathStyle, Secure: s.S3.Secure, VerifyTLS: s.S3.VerifySSL,
			Credentials: SecretFile(r.path("local.storage_config.s3.credentials_path", s.S3.Credentials)),
		}
	case l.Backend == "azure" && s.Azure != nil:
		l.Azure = &Azure{
			Account: s.Azure.AccountName, Container: s.Azure.Container, Prefix: strings.Trim(value(s.Azure.Prefix), "/"),
			Endpoint:    r.serviceURL("local.storage_config.azure.endpoint", value(s.Azure.Endpoint).Reveal()),
			Credentials: SecretFile(r.path("local.storage_config.azure.credentials_path", s.Azure.Credentials)),
		}
	}
	r.upkeep()
}

// upkeep settles garbage collection and scrubbing.
//
// Two attributes of the schema switch garbage collection on, both by default:
// local.storage_config.gc_enabled by the clock and features.gc_enabled by
// schedule. Collecting deletes, so that one of them that is on only by default
// gives way where the other one is switched off.
func (r *resolver) upkeep() {
	l, f := r.Target.Local, r.Spec.Features
	s := l.Storage
	l.GC = GC{Delay: r.seconds("local.storage_config.gc_delay", s.GCDelay), Untagged: s.GCUntagged}
	off := f != nil && !f.GCEnabled
	if s.GCEnabled && (!off || r.given("local.storage_config", "gc_enabled", "gc_interval")) {
		l.GC.Interval = r.seconds("local.storage_config.gc_interval", s.GCInterval)
	}
	if f != nil && f.GCEnabled && (s.GCEnabled || r.given("features", "gc_enabled", "gc_schedule")) {
		l.GC.Schedule = value(f.GCSchedule)
	}
	l.Scrub = Scrub{
		Interval: r.seconds("local.storage_config.scrub_interval", s.ScrubInterval),
		Rate:     int64(min(s.ScrubRate, maxRate)) << 20,
	}
}

// maxRate, in MiB per second, keeps rates far from overflow.
const maxRate = 1 << 30

func (r *resolver) given(block string, attrs ...string) bool {
	for _, a := range attrs {
		if r.src.Given(block + "." + a) {
			return true
		}
	}
	return false
}

// schedule checks the cron expression of garbage collection, wherever the
// registry runs.
func (r *resolver) schedule() {
	f := r.Spec.Features
	if f == nil || value(f.GCSchedule) == "" {
		return
	}
	const path, hint = "features.gc_schedule", `write minute, hour, day of the month, month and day of the week, as in "0 2 * * *" for daily at 2 AM`
	text := *f.GCSchedule
	if strings.HasPrefix(text, "@") || strings.Contains(text, "=") { // which the parser also takes, and other registries do not
		r.wrong(path, hint, "%q is not a cron expression of five fields", text)
		return
	}
	if _, err := cron.ParseStandard(text); err != nil {
		r.wrong(path, hint, "%q is not a cron expression: %v", text, err)
	}
}

// hostPort checks an attribute that is a host, or host and port.
func (r *resolver) hostPort(attr, text string) string {
	if text == "" || isHostPort(text) {
		return text
	}
	hint := "write only host and port, as in localhost:9000 or [::1]:9000"
	if strings.Contains(text, "://") {
		hint = "write only host and port"
		if attr == s3Endpoint {
			hint += "; whether it is https or http goes to secure"
		}
	}
	r.wrong(attr, hint, "%s %q is not a host and port", attr[strings.LastIndexByte(attr, '.')+1:], spec.NewURL(text))
	return ""
}

func isHostPort(text string) bool {
	u, err := url.Parse("//" + text)
	if err != nil || u.Host != text || strings.ContainsAny(text, " \\") || u.Hostname() == "" {
		return false
	}
	if strings.Contains(u.Hostname(), ":") {
		_, err := netip.ParseAddr(u.Hostname())
		return err == nil && isPort(u.Port(), text)
	}
	return isPort(u.Port(), text)
}

// isPort reports whether a port, if text has one, is of the numbers that there are.
func isPort(port, text string) bool {
	n, err := strconv.Atoi(port)
	return port == "" && !strings.HasSuffix(text, ":") || err == nil && n > 0 && n < 65536
}

// serviceURL checks the endpoint of an Azure service. A query would be a shared
// access signature: a secret, which has no place in a config.
func (r *resolver) serviceURL(attr, text string) string {
	if text == "" {
		return ""
	}
	const hint = "write the URL of the blob service, as in https://ACCOUNT.blob.core.windows.net or http://127.0.0.1:10000/ACCOUNT"
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || !isPort(u.Port(), u.Host):
		r.wrong(attr, hint, "the endpoint is not the URL of a service")
		return ""
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		r.wrong(attr, hint+"; credentials go to credentials_path", "the endpoint is more than the URL of a service")
		return ""
	}
	return strings.TrimSuffix(text, "/")
}
