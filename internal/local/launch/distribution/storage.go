package distribution

import (
	"fmt"
	"os"

	"github.com/berth-oci/berth/internal/config/resolve"
)

// The parameters of distribution's storage drivers that berth sets
// (https://distribution.github.io/distribution/storage-drivers/). Secrets are not
// among them: see secrets.
type storage struct {
	Filesystem *filesystem `yaml:"filesystem,omitempty"`
	S3         *s3         `yaml:"s3,omitempty"`
	Azure      *azure      `yaml:"azure,omitempty"`
	Delete     struct {
		Enabled bool `yaml:"enabled"`
	} `yaml:"delete"`
	Redirect *redirect `yaml:"redirect,omitempty"`
}

type filesystem struct {
	RootDirectory string `yaml:"rootdirectory"`
}

type s3 struct {
	Region         string `yaml:"region"`
	RegionEndpoint string `yaml:"regionendpoint,omitempty"`
	Bucket         string `yaml:"bucket"`
	RootDirectory  string `yaml:"rootdirectory,omitempty"`
	ForcePathStyle bool   `yaml:"forcepathstyle,omitempty"`
	Secure         bool   `yaml:"secure"`
	SkipVerify     bool   `yaml:"skipverify,omitempty"`
}

type azure struct {
	AccountName   string           `yaml:"accountname"`
	Container     string           `yaml:"container"`
	RootDirectory string           `yaml:"rootdirectory,omitempty"`
	ServiceURL    string           `yaml:"serviceurl,omitempty"`
	Credentials   azureCredentials `yaml:"credentials"`
}

type azureCredentials struct {
	Type string `yaml:"type"` // shared_key or default_credentials
}

type redirect struct {
	Disable bool `yaml:"disable"`
}

// nativeStorage is the section storage. Content of a bucket is served through the
// registry: clients of a local one need not reach the bucket, nor trust it.
func nativeStorage(t *resolve.Target) (s storage) {
	l := t.Local
	s.Delete.Enabled = true
	switch {
	case l.S3 != nil:
		b := l.S3
		s.S3 = &s3{Region: b.Region, RegionEndpoint: b.Endpoint, Bucket: b.Bucket, RootDirectory: b.Prefix,
			ForcePathStyle: b.PathStyle, Secure: b.Secure, SkipVerify: !b.VerifyTLS}
		s.Redirect = &redirect{Disable: true}
	case l.Azure != nil:
		c := l.Azure
		s.Azure = &azure{AccountName: c.Account, Container: c.Container, RootDirectory: c.Prefix, ServiceURL: c.Endpoint}
		s.Azure.Credentials.Type = "default_credentials"
		if c.Credentials.IsSet() || os.Getenv(azureKeyVar) != "" {
			s.Azure.Credentials.Type = "shared_key"
		}
		s.Redirect = &redirect{Disable: true}
	default:
		s.Filesystem = &filesystem{RootDirectory: l.Root}
	}
	return s
}

// stores names the place that a registry stores in.
func stores(l *resolve.Local) string {
	switch {
	case l.S3 != nil:
		return fmt.Sprintf("s3 %s %q %q", l.S3.Endpoint, l.S3.Bucket, l.S3.Prefix)
	case l.Azure != nil:
		return fmt.Sprintf("azure %s %q %q %q", l.Azure.Endpoint, l.Azure.Account, l.Azure.Container, l.Azure.Prefix)
	case l.Root == l.DataDir: // which may be moved
		return "filesystem"
	}
	return fmt.Sprintf("filesystem %q", l.Root)
}
