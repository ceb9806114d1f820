package diag

// Explanation says in general what a code means: what is wrong, and what to do.
// docs/errors.md has the same words.
type Explanation struct {
	Wrong  string
	Remedy string
}

// Explain returns the explanation of a code. Backquotes mark code, as in
// Markdown.
func (c Code) Explain() Explanation { return explanations[c] }

var explanations = map[Code]Explanation{
	Syntax:           {"the text is not KCL, YAML or JSON", "mend the text at the place shown"},
	UnknownName:      {"nothing defines the name", "take the suggestion, or import the package that has it"},
	UnknownAttr:      {"the schema has no such attribute", "take the suggestion; `berth schema kcl` lists all"},
	MissingAttr:      {"a required attribute has no value, or null", "add it to the block shown"},
	WrongType:        {"the value has another type than the attribute", "write a value of the type named"},
	CheckFailed:      {"a check of the schema does not hold, which the second frame shows; or a value that no schema can check, such as a cron expression", "change the value"},
	Immutable:        {"a name of a program is set twice", "choose another name"},
	Conflict:         {"two values that cannot be merged", "override with `=` where `:` unifies"},
	Cycle:            {"a package or schema that needs itself", "break the circle"},
	Deprecated:       {"a schema or attribute that is marked `@deprecated`; only a warning where that says `strict=False`", "use what the message names instead"},
	ImportFailed:     {"an imported package is not there", "paths start at the directory with `kcl.mod`, else at the config's own"},
	EvalFailed:       {"an expression has no value: an index out of range, a division by zero", "mend the expression"},
	LimitExceeded:    {"the config is too large, nests too deeply or runs too long", "look for recursion without end"},
	FileRefused:      {"a program uses files, the environment or the network, or is to consist of files outside of its directory, which is not allowed", "take it out, or pass `--allow-file`"},
	NoConfig:         {"no config was found, or it holds no registry", "`berth init` writes one"},
	ConfigUnclear:    {"a program with several registries", "choose one with `--config NAME`"},
	ConfigUnread:     {"the file cannot be read", "check the path and its permissions"},
	ConfigConflict:   {"values that are right alone and wrong together", "the hint names what is missing"},
	Unsupported:      {"the registry, or this version of berth, does not have the feature", "remove it from the config"},
	Disabled:         {"`deployment = \"disabled\"`", "set it to `local` or `remote`"},
	ProgramMissing:   {"the registry's program is not installed", "install it, or let the built-in one stand in with `--engine embedded`"},
	PortInUse:        {"another process listens on the port; its name and pid are given", "stop it, or choose another port"},
	AlreadyRunning:   {"this registry runs already, or another one uses the same directories; its pid and `data_dir` are given", "`berth status`, `berth restart`; stop the other one, or choose another `rootdirectory`"},
	Busy:             {"another command works on what this registry stores; or this one did, and the registry started", "wait for it to end; or run it again"},
	NotRunning:       {"this registry does not run", "`berth up`"},
	StartFailed:      {"the registry ended before it answered; its last words are shown", "mend what they say"},
	NotReady:         {"the registry did not answer in time", "`berth logs`; give it longer with `--timeout`"},
	StorageFailed:    {"a directory or file cannot be used", "check owner, permissions and free space"},
	CredentialUnread: {"a file with a password, token, certificate or key, Docker's `config.json` or its credential helper cannot be read", "create it, readable by the user that runs berth; the hint names the file or helper"},
	BadReference:     {"not a kind, name, tag, digest or reference", "write `KIND/NAME[:TAG|@DIGEST]`"},
	BadMetadata:      {"`extension.yaml` or `kcl.mod` is wrong or incomplete", "mend it, or for an extension give `--name` and `--version`"},
	BadArtifact:      {"the artifact cannot be used: it is none that can be unpacked, means different things to programs, is too large, or has no end", "look at its manifest, and do not trust where it came from"},
	UnsafeArchive:    {"the archive reaches out of its directory, or is too large", "do not trust where it came from"},
	NotFound:         {"no such repository, tag or digest", "the hint lists what there is"},
	TagExists:        {"the tag names other content; both digests are given", "choose another tag, or set `push_policy.allow_overwrite`"},
	TargetExists:     {"the output directory holds something else", "choose another, or `--force`"},
	Unauthorized:     {"the registry does not accept the credentials", "check `username` and `password_path`, or `berth login`"},
	Forbidden:        {"the credentials may not do this", "ask for the permission"},
	TokenServer:      {"the registry wants the config's credentials shown to another host, which the config does not name", "if that is its token server, name it in `remote.token_server`"},
	Insecure:         {"plain HTTP, or unverified TLS, beyond this machine", "use TLS, or set `pull_policy.allow_insecure`"},
	PolicyRefused:    {"the config's policy does not allow it", "change the policy"},
	DigestMismatch:   {"content does not have the digest or size that names it, or what a tag leads to is lost", "nothing was written; pull again, and check the registry's disk"},
	Unreachable:      {"the registry does not answer, says that it is not available or too busy, or a proxy on the way does not let it", "`berth status`; check endpoint, port, proxy"},
	RegistryRefused:  {"the registry answered with an error, which is shown, or with what leads nowhere: a list without end, too many redirects, a token server without address", "mend what it says"},
	Usage:            {"a flag or argument is wrong", "`--help`"},
	FileExists:       {"a file would be overwritten", "remove it, or write elsewhere"},
	Interrupted:      {"a signal stopped the command", "run it again"},
	Failed:           {"anything else", "the message says what"},
}
