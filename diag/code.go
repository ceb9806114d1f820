package diag

// Code names one kind of failure. Codes are stable: scripts may match them.
// docs/errors.md explains each; a test holds the two together.
type Code string

// Exit codes of the berth command.
const (
	ExitOK          = 0
	ExitFailed      = 1
	ExitUsage       = 2
	ExitConfig      = 3
	ExitPending     = 4
	ExitNotFound    = 5
	ExitExists      = 6
	ExitAuth        = 7
	ExitPolicy      = 8
	ExitIntegrity   = 9
	ExitUnavailable = 10
	ExitInterrupted = 130
)

// Codes of the config language and its checks.
const (
	Syntax         Code = "syntax"          // the text is not KCL, YAML or JSON
	UnknownName    Code = "unknown-name"    // a name that nothing defines
	UnknownAttr    Code = "unknown-attr"    // an attribute that the schema lacks
	MissingAttr    Code = "missing-attr"    // a required attribute without a value
	WrongType      Code = "wrong-type"      // a value of another type than declared
	CheckFailed    Code = "check-failed"    // a check of the schema does not hold
	Immutable      Code = "immutable"       // a second value for a name that has one
	Conflict       Code = "conflict"        // two values that cannot be merged
	Cycle          Code = "cycle"           // a value that needs itself
	Deprecated     Code = "deprecated"      // a schema or attribute that its author has withdrawn
	ImportFailed   Code = "import-failed"   // an imported package that is not there
	EvalFailed     Code = "eval-failed"     // an expression that has no value
	LimitExceeded  Code = "limit-exceeded"  // a config that asks for too much
	FileRefused    Code = "file-refused"    // a program that uses files without leave
	NoConfig       Code = "no-config"       // no config found, or it holds no registry
	ConfigUnclear  Code = "config-unclear"  // several registries, and none chosen
	ConfigUnread   Code = "config-unread"   // a config file that cannot be read
	ConfigConflict Code = "config-conflict" // values that are right alone and wrong together
	Unsupported    Code = "unsupported"     // a feature this registry or this version does not have
	Disabled       Code = "disabled"        // deployment = "disabled"
)

// Codes of running a local registry.
const (
	ProgramMissing   Code = "program-missing"   // the registry's program is not installed
	PortInUse        Code = "port-in-use"       // another process listens there
	AlreadyRunning   Code = "already-running"   // this registry runs already
	Busy             Code = "busy"              // another command is at work on its storage
	NotRunning       Code = "not-running"       // this registry does not run
	StartFailed      Code = "start-failed"      // the registry ended before it answered
	NotReady         Code = "not-ready"         // the registry did not answer in time
	StorageFailed    Code = "storage-failed"    // a directory or file that cannot be used
	CredentialUnread Code = "credential-unread" // a password, token, certificate or key that cannot be read
)

// Codes of moving artifacts.
const (
	BadReference    Code = "bad-reference"    // not a reference, kind, name or tag
	BadMetadata     Code = "bad-metadata"     // extension.yaml or kcl.mod is wrong or incomplete
	BadArtifact     Code = "bad-artifact"     // content of an unexpected kind
	UnsafeArchive   Code = "unsafe-archive"   // an archive that reaches out of its directory
	NotFound        Code = "not-found"        // no such repository, tag or digest
	TagExists       Code = "tag-exists"       // the tag names other content
	TargetExists    Code = "target-exists"    // the output holds something else
	Unauthorized    Code = "unauthorized"     // credentials missing or wrong
	Forbidden       Code = "forbidden"        // credentials right, access denied
	TokenServer     Code = "token-server"     // a host that the config does not name wants its credentials
	Insecure        Code = "insecure"         // plain HTTP or unverified TLS without leave
	PolicyRefused   Code = "policy-refused"   // the config's policy says no
	DigestMismatch  Code = "digest-mismatch"  // content that is not what its digest says
	Unreachable     Code = "unreachable"      // the registry does not answer
	RegistryRefused Code = "registry-refused" // the registry answered with an error
)

// Codes of the command line.
const (
	Usage       Code = "usage"       // flags or arguments are wrong
	FileExists  Code = "file-exists" // a file that would be overwritten
	Interrupted Code = "interrupted" // stopped by a signal
	Failed      Code = "failed"      // anything else
)

// Exit returns the exit code of a command that fails with this code.
func (c Code) Exit() int {
	switch c {
	case Syntax, UnknownName, UnknownAttr, MissingAttr, WrongType, CheckFailed, Immutable, Conflict, Cycle, Deprecated,
		ImportFailed, EvalFailed, LimitExceeded, FileRefused, NoConfig, ConfigUnclear, ConfigUnread, ConfigConflict, Unsupported:
		return ExitConfig
	case ProgramMissing, Busy, NotRunning, NotReady, Unreachable:
		return ExitUnavailable
	case NotFound:
		return ExitNotFound
	case TagExists, TargetExists, FileExists:
		return ExitExists
	case Unauthorized, Forbidden, TokenServer, CredentialUnread:
		return ExitAuth
	case Insecure, PolicyRefused:
		return ExitPolicy
	case DigestMismatch, UnsafeArchive:
		return ExitIntegrity
	case Usage, BadReference, BadMetadata:
		return ExitUsage
	case Interrupted:
		return ExitInterrupted
	}
	return ExitFailed
}
