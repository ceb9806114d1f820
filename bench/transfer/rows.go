//go:build unix

package transfer

import "path/filepath"

// row is one thing to move, and how the users of each client would move it.
// Clients that are not named cannot.
type row struct {
	name   string
	input  string // name of the input
	layout bool   // the input's layout instead of its directory
	file   bool   // the only file of the input instead of its directory
	repeat bool   // also measured once more, when all is there
	push   map[string]command
	pull   map[string]command
}

func rows() []row {
	packed := row{push: packedPush(), pull: packedPull()}
	layout := row{layout: true, push: layoutPush(), pull: layoutPull()}
	of := func(r row, name, input string, repeat bool) row {
		r.name, r.input, r.repeat = name, input, repeat
		return r
	}
	return []row{
		of(packed, "dir, 1 × 512 MiB, random", "random", false),
		of(packed, "dir, 1 × 512 MiB, half text", "half", false),
		of(packed, "dir, 5,000 files", "small", true),
		of(packed, "dir, 40 × 8 MiB", "forty", false),
		{name: "file as it is, 512 MiB", input: "random", file: true, push: filePush(), pull: filePull()},
		of(layout, "image, 1 × 512 MiB", "random", false),
		of(layout, "image, 40 × 8 MiB", "forty", true),
	}
}

func packedPush() map[string]command {
	return map[string]command{
		berth: func(j job) []string {
			return j.berth("push", "extension", j.input, "--name", j.repo, "--version", "1", "--tag", "1", "--kind", "provider")
		},
		"oras": func(j job) []string { return j.run("oras", "push", "--plain-http", j.ref(), filepath.Base(j.input)) },
		"crane": func(j job) []string {
			return j.shell("tar -cf - %s | %s append --insecure --oci-empty-base -f - -t %s", filepath.Base(j.input), j.programs["crane"], j.ref())
		},
	}
}

func packedPull() map[string]command {
	return map[string]command{
		berth:  func(j job) []string { return j.berth("pull", "extension/"+j.repo+":1", "-o", j.output) },
		"oras": func(j job) []string { return j.run("oras", "pull", "--plain-http", "-o", j.output, j.ref()) },
		"crane": func(j job) []string {
			return j.shell("mkdir -p %s; %s export --insecure %s - | tar -xf - -C %[1]s", j.output, j.programs["crane"], j.ref())
		},
	}
}

func filePush() map[string]command {
	return map[string]command{
		berth: func(j job) []string {
			return j.berth("push", "extension", filepath.Dir(j.input), "--name", j.repo, "--version", "1", "--tag", "1", "--kind", "provider", "--compression", "none")
		},
		"oras": func(j job) []string { return j.run("oras", "push", "--plain-http", j.ref(), filepath.Base(j.input)) },
		"regctl": func(j job) []string {
			return j.run("regctl", "--host", "reg="+j.host+",tls=disabled", "artifact", "put", "--artifact-type", "application/x.bench", "--file-title", "--file", filepath.Base(j.input), j.ref())
		},
	}
}

func filePull() map[string]command {
	return map[string]command{
		berth:  packedPull()[berth],
		"oras": packedPull()["oras"],
		"regctl": func(j job) []string {
			return j.shell("mkdir -p %s; %s --host reg=%s,tls=disabled artifact get --output %[1]s %[4]s", j.output, j.programs["regctl"], j.host, j.ref())
		},
	}
}

func layoutPush() map[string]command {
	return map[string]command{
		berth: func(j job) []string {
			return j.berth("push", "image", j.input, "--name", j.repo, "--version", "1", "--tag", "1")
		},
		"oras": func(j job) []string {
			return j.run("oras", "cp", "--from-oci-layout", "--to-plain-http", j.input+":1", j.ref())
		},
		"crane": func(j job) []string { return j.run("crane", "push", "--insecure", j.input, j.ref()) },
		"regctl": func(j job) []string {
			return j.run("regctl", "--host", "reg="+j.host+",tls=disabled", "image", "copy", "ocidir://"+j.input+":1", j.ref())
		},
		"skopeo": func(j job) []string {
			return j.run("skopeo", "copy", "--dest-tls-verify=false", "oci:"+j.input+":1", "docker://"+j.ref())
		},
	}
}

func layoutPull() map[string]command {
	return map[string]command{
		berth: func(j job) []string { return j.berth("pull", "image/"+j.repo+":1", "-o", j.output) },
		"oras": func(j job) []string {
			return j.run("oras", "cp", "--from-plain-http", "--to-oci-layout", j.ref(), j.output+":1")
		},
		"crane": func(j job) []string {
			return j.run("crane", "pull", "--insecure", "--format", "oci", j.ref(), j.output)
		},
		"regctl": func(j job) []string {
			return j.run("regctl", "--host", "reg="+j.host+",tls=disabled", "image", "copy", j.ref(), "ocidir://"+j.output+":1")
		},
		"skopeo": func(j job) []string {
			return j.run("skopeo", "copy", "--src-tls-verify=false", "docker://"+j.ref(), "oci:"+j.output+":1")
		},
	}
}

// seeded is the repository with the tags to copy.
const seeded = "bench/tags"

// copyTags copies a repository of the source to the registry.
func copyTags() map[string]command {
	return map[string]command{
		berth: func(j job) []string {
			return j.berth("copy", "--all-tags", j.source+"/"+seeded, j.host+"/"+seeded)
		},
		"crane": func(j job) []string {
			return j.run("crane", "copy", "--insecure", "-a", j.source+"/"+seeded, j.host+"/"+seeded)
		},
		"regctl": func(j job) []string {
			return j.shell(`R="%s --host reg=%s,tls=disabled --host reg=%s,tls=disabled"
for t in $($R tag ls %[2]s/%[4]s); do $R image copy %[2]s/%[4]s:$t %[3]s/%[4]s:$t; done`, j.programs["regctl"], j.source, j.host, seeded)
		},
		"skopeo": func(j job) []string {
			return j.run("skopeo", "sync", "--src", "docker", "--dest", "docker", "--src-tls-verify=false", "--dest-tls-verify=false", j.source+"/"+seeded, j.host+"/bench")
		},
	}
}
