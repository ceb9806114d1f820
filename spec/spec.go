// Package spec is the Go form of an evaluated config: one struct for each
// schema, one field for each attribute, named by its kcl tag. It holds no
// defaults and no checks: those are the schema's (package schema), and have
// been applied before a struct of this package exists. A pointer or a nil slice
// or map is an optional attribute that has no value.
//
// What may hold a credential is a URL, which no formatting and no encoder prints.
// All else is shown as it is: secrets themselves are in files that attributes name.
package spec

// Registry is OCIRegistryConfig together with its sub-schemas: at most one of
// Zot, Harbor and Artifactory is set, the one that belongs to Type.
type Registry struct {
	Deployment  string     `kcl:"deployment"` // local, remote or disabled
	Type        string     `kcl:"type"`       // distribution, zot, harbor or artifactory
	Endpoint    URL        `kcl:"endpoint"`   // host name or IP address
	Port        *int       `kcl:"port"`
	TLSEnabled  bool       `kcl:"tls_enabled"`
	TLSCertPath *string    `kcl:"tls_cert_path"`
	TLSKeyPath  *string    `kcl:"tls_key_path"`
	CACertPath  *string    `kcl:"ca_cert_path"`
	AuthNeeded  bool       `kcl:"auth_required"`
	Username    *string    `kcl:"username"`
	Password    *string    `kcl:"password_path"`   // file that holds it
	AuthToken   *string    `kcl:"auth_token_path"` // file that holds it
	Local       *Local     `kcl:"local"`
	Remote      *Remote    `kcl:"remote"`
	Namespaces  Namespaces `kcl:"namespaces"`
	Features    *Features  `kcl:"features"`
	PullPolicy  *Pull      `kcl:"pull_policy"`
	PushPolicy  *Push      `kcl:"push_policy"`

	Zot         *Zot         `kcl:"zot_features"`
	Harbor      *Harbor      `kcl:"harbor_config"`
	Artifactory *Artifactory `kcl:"artifactory_config"`
}

// Local is LocalOCIConfig.
type Local struct {
	DataDir    string   `kcl:"data_dir"`
	ConfigPath string   `kcl:"config_path"`
	AutoStart  bool     `kcl:"auto_start"`
	Htpasswd   *string  `kcl:"htpasswd_path"` // file of users and hashes
	BinaryPath *string  `kcl:"binary_path"`
	LogFile    *string  `kcl:"log_file"`
	HTTP       *HTTP    `kcl:"http_config"`
	Storage    *Storage `kcl:"storage_config"`
}

// HTTP is LocalHTTPConfig. Timeouts are in seconds.
type HTTP struct {
	ListenAddress  string   `kcl:"listen_address"`
	ListenPort     int      `kcl:"listen_port"`
	ReadTimeout    int      `kcl:"read_timeout"`
	WriteTimeout   int      `kcl:"write_timeout"`
	IdleTimeout    int      `kcl:"idle_timeout"`
	TrustedProxies []string `kcl:"trusted_proxies"` // addresses and networks
}

// Storage is LocalStorageConfig.
type Storage struct {
	Backend       string  `kcl:"backend"` // filesystem, s3 or azure
	RootDirectory *string `kcl:"rootdirectory"`
	S3            *S3     `kcl:"s3"`
	Azure         *Azure  `kcl:"azure"`
	GCEnabled     bool    `kcl:"gc_enabled"`
	GCInterval    int     `kcl:"gc_interval"` // seconds
	GCDelay       int     `kcl:"gc_delay"`    // seconds
	GCUntagged    bool    `kcl:"gc_untagged"`
	ScrubInterval int     `kcl:"scrub_interval"` // seconds; 0 for never
	ScrubRate     int     `kcl:"scrub_rate"`     // MiB per second; 0 for no limit
	Dedupe        bool    `kcl:"dedupe_enabled"`
}

// S3 is S3StorageConfig.
type S3 struct {
	Bucket         string  `kcl:"bucket"`
	Region         string  `kcl:"region"`
	Endpoint       *URL    `kcl:"endpoint"`
	Prefix         *string `kcl:"prefix"`
	ForcePathStyle bool    `kcl:"force_path_style"`
	Secure         bool    `kcl:"secure"`
	VerifySSL      bool    `kcl:"verify_ssl"`
	Credentials    *string `kcl:"credentials_path"`
}

// Azure is AzureStorageConfig.
type Azure struct {
	AccountName string  `kcl:"account_name"`
	Container   string  `kcl:"container"`
	Endpoint    *URL    `kcl:"endpoint"`
	Prefix      *string `kcl:"prefix"`
	Credentials *string `kcl:"credentials_path"`
}

// Remote is RemoteOCIConfig. Times are in seconds.
type Remote struct {
	Timeout      int        `kcl:"timeout"`
	Retries      int        `kcl:"retries"`
	RetryDelay   int        `kcl:"retry_delay"`
	RetryBackoff float64    `kcl:"retry_backoff"`
	VerifySSL    bool       `kcl:"verify_ssl"`
	TokenServer  *URL       `kcl:"token_server"`
	HTTPProxy    *URL       `kcl:"http_proxy"`
	HTTPSProxy   *URL       `kcl:"https_proxy"`
	NoProxy      []string   `kcl:"no_proxy"`
	RateLimit    *RateLimit `kcl:"rate_limit"`
}

// RateLimit is RateLimitConfig, in requests per second.
type RateLimit struct {
	RequestsPerSecond int  `kcl:"requests_per_second"`
	Burst             int  `kcl:"burst"`
	PullLimit         *int `kcl:"pull_limit"`
	PushLimit         *int `kcl:"push_limit"`
}

// Namespaces is OCINamespaces.
type Namespaces struct {
	Extensions     string            `kcl:"extensions"`
	KCLPackages    string            `kcl:"kcl_packages"`
	PlatformImages string            `kcl:"platform_images"`
	TestImages     string            `kcl:"test_images"`
	Custom         map[string]string `kcl:"custom"` // kind to namespace
}

// Features is OCIRegistryFeatures.
type Features struct {
	VulnerabilityScanning bool                `kcl:"vulnerability_scanning"`
	ScannerType           *string             `kcl:"scanner_type"`
	ImageSigning          bool                `kcl:"image_signing"`
	SigningMethod         *string             `kcl:"signing_method"`
	ReplicationEnabled    bool                `kcl:"replication_enabled"`
	ReplicationTargets    []ReplicationTarget `kcl:"replication_targets"`
	QuotaEnabled          bool                `kcl:"quota_enabled"`
	QuotaConfig           *Quota              `kcl:"quota_config"`
	WebhookEnabled        bool                `kcl:"webhook_enabled"`
	WebhookEndpoints      []URL               `kcl:"webhook_endpoints"`
	GCEnabled             bool                `kcl:"gc_enabled"`
	GCSchedule            *string             `kcl:"gc_schedule"` // five-field cron
}

// ReplicationTarget is the schema of that name.
type ReplicationTarget struct {
	Name        string  `kcl:"name"`
	Type        string  `kcl:"type"`
	Endpoint    URL     `kcl:"endpoint"`
	Credentials *string `kcl:"credentials"`
	VerifySSL   bool    `kcl:"verify_ssl"`
}

// Quota is QuotaConfig.
type Quota struct {
	StorageLimitGB  int                       `kcl:"storage_limit_gb"`
	ArtifactLimit   *int                      `kcl:"artifact_limit"`
	NamespaceQuotas map[string]NamespaceQuota `kcl:"namespace_quotas"`
}

// NamespaceQuota is the schema of that name.
type NamespaceQuota struct {
	StorageLimitGB int `kcl:"storage_limit_gb"`
	ArtifactLimit  int `kcl:"artifact_limit"`
}

// ArtifactReference is OCIArtifactReference.
type ArtifactReference struct {
	Registry      string  `kcl:"registry"`
	Namespace     string  `kcl:"namespace"`
	Repository    string  `kcl:"repository"`
	Tag           string  `kcl:"tag"`
	Digest        *string `kcl:"digest"`
	FullReference string  `kcl:"full_reference"`
}

// Pull is OCIPullPolicy.
type Pull struct {
	Policy        string `kcl:"policy"`    // always, if-not-present or never
	CacheTTL      int    `kcl:"cache_ttl"` // seconds
	VerifyCached  bool   `kcl:"verify_cached"`
	AllowInsecure bool   `kcl:"allow_insecure"`
}

// Push is OCIPushPolicy.
type Push struct {
	AllowOverwrite     bool    `kcl:"allow_overwrite"`
	RequireSigning     bool    `kcl:"require_signing"`
	AutoTag            bool    `kcl:"auto_tag"`
	TagFormat          *string `kcl:"tag_format"`
	CompressionEnabled bool    `kcl:"compression_enabled"`
	CompressionLevel   int     `kcl:"compression_level"` // 0 to 9
}

// Zot is ZotFeatures.
type Zot struct {
	SearchEnabled  bool   `kcl:"search_enabled"`
	MetricsEnabled bool   `kcl:"metrics_enabled"`
	MetricsPort    int    `kcl:"metrics_port"`
	SyncEnabled    bool   `kcl:"sync_enabled"`
	SyncRegistries []URL  `kcl:"sync_registries"`
	ScrubEnabled   bool   `kcl:"scrub_enabled"`
	ScrubInterval  string `kcl:"scrub_interval"`
}

// Harbor is HarborConfig.
type Harbor struct {
	Project           string `kcl:"project"`
	PublicProject     bool   `kcl:"public_project"`
	ContentTrust      bool   `kcl:"content_trust"`
	AutoScan          bool   `kcl:"auto_scan"`
	PreventVulnerable bool   `kcl:"prevent_vulnerable"`
	SeverityThreshold string `kcl:"severity_threshold"`
}

// Artifactory is ArtifactoryConfig.
type Artifactory struct {
	Repository       string  `kcl:"repository"`
	PackageType      string  `kcl:"package_type"`
	ProjectKey       *string `kcl:"project_key"`
	PublicRepository bool    `kcl:"public_repository"`
}

// Defaults are the blocks that the schema gives when a config leaves them out.
type Defaults struct {
	HTTP    HTTP
	Storage Storage
	Remote  Remote
	Pull    Pull
	Push    Push
}
