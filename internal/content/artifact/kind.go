// Package artifact owns what an artifact is: its kind and namespace, its name
// and reference, its metadata, the manifest and layer it becomes, and how a
// layer becomes a directory again. It speaks to no registry: package transfer
// does.
package artifact

import (
	"slices"
	"strings"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/config/resolve"
)

// Kind is a sort of artifact: the first word of KIND/NAME.
type Kind struct {
	Name      string // extension, kcl, image, test-image or a key of namespaces.custom
	Namespace string // repositories of the kind are Namespace/NAME
	Form      Form
	Type      *Type // of FormDirectory; else nil
}

// Form is what an artifact is outside of a registry, and how it is packed.
type Form string

// The forms.
const (
	FormDirectory Form = "directory" // any tree of files, packed into one layer
	FormModule    Form = "module"    // a directory with kcl.mod, packed as kpm does
	FormImage     Form = "image"     // an image layout or an archive of one, kept as it is
)

// Type says what the manifest of a packed directory looks like.
type Type struct {
	Artifact string   // artifactType of the manifest
	Config   string   // media type of the config blob, which holds the Metadata
	File     string   // file of a directory that holds the Metadata; "" for none
	Sub      []string // values of the metadata's kind; none for a type without
}

// Kinds that berth knows how to pack.
const (
	Extension = "extension" // providers, taskservs and clusters
	KCL       = "kcl"       // KCL modules, as packages of kpm: ReadModule, PackModule
)

func extension() *Type {
	return &Type{
		Artifact: "application/vnd.berth.extension.v1",
		Config:   "application/vnd.berth.extension.config.v1+json",
		File:     "extension.yaml",
		Sub:      []string{"provider", "taskserv", "cluster"},
	}
}

// directory is what goes to the namespaces of a config's own.
func directory() *Type {
	return &Type{Artifact: "application/vnd.berth.directory.v1", Config: "application/vnd.berth.directory.config.v1+json"}
}

// Kinds returns the kinds that a config knows: the four of every config, then
// its own by name.
func Kinds(t *resolve.Target) []Kind {
	n := t.Spec.Namespaces
	kinds := []Kind{
		{Extension, n.Extensions, FormDirectory, extension()},
		{KCL, n.KCLPackages, FormModule, nil},
		{"image", n.PlatformImages, FormImage, nil},
		{"test-image", n.TestImages, FormImage, nil},
	}
	fixed := len(kinds)
	for name, namespace := range n.Custom {
		kinds = append(kinds, Kind{name, namespace, FormDirectory, directory()})
	}
	slices.SortFunc(kinds[fixed:], func(a, b Kind) int { return strings.Compare(a.Name, b.Name) })
	return kinds
}

// KindOf finds a kind by name. An unknown one fails with diag.BadReference.
func KindOf(t *resolve.Target, name string) (Kind, error) {
	var known []string
	for _, k := range Kinds(t) {
		if k.Name == name {
			return k, nil
		}
		known = append(known, k.Name)
	}
	return Kind{}, diag.Errorf(diag.BadReference, "no kind %q", name).
		WithHint("kinds of this config: %s; namespaces.custom adds more", strings.Join(known, ", "))
}

// Repository returns the repository of a name of this kind.
func (k Kind) Repository(name string) string { return k.Namespace + "/" + name }
