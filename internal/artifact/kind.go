// Package artifact owns what an artifact is: its kind and namespace, its name
// and reference, its metadata, the manifest and layer it becomes, and how a
// layer becomes a directory again. It speaks to no registry: package transfer
// does.
package artifact

import (
	"slices"
	"strings"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/resolve"
)

// Kind is a sort of artifact: the first word of KIND/NAME.
type Kind struct {
	Name      string // extension, kcl, image, test-image or a key of namespaces.custom
	Namespace string // repositories of the kind are Namespace/NAME
	Type      *Type  // how the kind is packed; nil when this version cannot push it
}

// Type says what the manifest of a kind looks like.
type Type struct {
	Artifact string   // artifactType of the manifest
	Config   string   // media type of the config blob, which holds the Metadata
	File     string   // file of a directory that holds the Metadata
	Sub      []string // values of the metadata's kind
}

// Extension is the kind of providers, taskservs and clusters.
const Extension = "extension"

func extension() *Type {
	return &Type{
		Artifact: "application/vnd.berth.extension.v1",
		Config:   "application/vnd.berth.extension.config.v1+json",
		File:     "extension.yaml",
		Sub:      []string{"provider", "taskserv", "cluster"},
	}
}

// Kinds returns the kinds that a config knows: the four of every config, then
// its own by name.
func Kinds(t *resolve.Target) []Kind {
	n := t.Spec.Namespaces
	kinds := []Kind{
		{Name: Extension, Namespace: n.Extensions, Type: extension()},
		{Name: "kcl", Namespace: n.KCLPackages},
		{Name: "image", Namespace: n.PlatformImages},
		{Name: "test-image", Namespace: n.TestImages},
	}
	fixed := len(kinds)
	for name, namespace := range n.Custom {
		kinds = append(kinds, Kind{Name: name, Namespace: namespace})
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

// Pushable fails with diag.Unsupported for a kind that this version cannot push.
func (k Kind) Pushable() error {
	if k.Type != nil {
		return nil
	}
	return diag.Errorf(diag.Unsupported, "this version of berth cannot push kind %q", k.Name).
		WithHint("it pushes kind %q; `berth pull` and `berth ls` know every kind", Extension)
}

// Repository returns the repository of a name of this kind.
func (k Kind) Repository(name string) string { return k.Namespace + "/" + name }
