package artifact

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/regular"
	"github.com/berth-oci/berth/kcl/program"
)

// Annotations that kpm puts on the manifest of a package.
const (
	kclPrefix      = "org.kcllang.package."
	kclName        = kclPrefix + "name"
	kclVersion     = kclPrefix + "version"
	kclDescription = kclPrefix + "description"
	kclSum         = kclPrefix + "sum"
)

// PackModule writes the KCL module in dir to w as the layer of a package, as
// kpm does, and returns its descriptor and the package's sum. As with
// PackLayer, equal files make equal bytes. The sum is that of the files in the
// package, as whoever unpacks it computes it; kpm's own is also of files that
// include and exclude keep out.
//
// Without compression it is the package of kpm up to 0.12.4, media type
// included: newer ones read that too, and KCL's own runtime reads no other.
//
// A link and anything else that is neither file nor directory fails with
// diag.BadArtifact, as kpm could not unpack it.
func PackModule(ctx context.Context, w io.Writer, dir string, m Module, c Compression, progress func(int64)) (layer ocispec.Descriptor, sum string, err error) {
	p := newPacker(ctx, dir, "", progress)
	p.sum = sha256.New()
	layer, _, err = p.archive(w, c, func() error {
		return p.walk(func(rel string, entry fs.DirEntry) error { return p.module(m, rel, entry) })
	})
	if err != nil {
		return ocispec.Descriptor{}, "", err
	}
	extension := ".tar"
	layer.MediaType = ocispec.MediaTypeImageLayer
	if c.Enabled {
		extension, layer.MediaType = ".tgz", ocispec.MediaTypeImageLayerGzip
	}
	// kpm goes by the ending of the title to tell how the layer is compressed.
	layer.Annotations = map[string]string{ocispec.AnnotationTitle: m.Name + "_" + m.Version + extension}
	return layer, base64.StdEncoding.EncodeToString(p.sum.Sum(nil)), nil
}

// module packs one entry. The root has none, and what is below a directory that
// is passed over is passed over as well.
func (p *packer) module(m Module, rel string, entry fs.DirEntry) error {
	switch {
	case rel == ".":
		return nil
	case ignored(rel) && entry.IsDir():
		return fs.SkipDir
	case !m.Has(rel):
		return nil
	case !entry.IsDir() && !entry.Type().IsRegular():
		what := "link"
		if entry.Type()&fs.ModeSymlink == 0 {
			what = typeName(entry.Type())
		}
		return diag.Errorf(diag.BadArtifact, "%s: a %s cannot be part of a KCL package", rel, what).
			WithHint("put a file there, or name it in exclude of %s", program.ModFile)
	}
	return p.entry(rel, entry)
}

// PackModuleManifest makes the config blob and the manifest around the layer of
// a KCL package: what kpm makes, but for org.opencontainers.image.created.
// Nothing of kpm reads that, and with it the same package would have another
// digest each time it is packed.
func PackModuleManifest(m Module, layer ocispec.Descriptor, sum string) (config, manifest Blob, err error) {
	config = Blob{ocispec.DescriptorEmptyJSON, ocispec.DescriptorEmptyJSON.Data}
	data, err := json.Marshal(ocispec.Manifest{
		Versioned:    specs.Versioned{SchemaVersion: 2},
		MediaType:    ocispec.MediaTypeImageManifest,
		ArtifactType: layer.MediaType,
		Config:       config.Descriptor,
		Layers:       []ocispec.Descriptor{layer},
		Annotations: map[string]string{
			kclName: m.Name, kclVersion: m.Version, kclDescription: m.Description, kclSum: sum,
		},
	})
	if err != nil {
		return Blob{}, Blob{}, err
	}
	manifest = blob(ocispec.MediaTypeImageManifest, data)
	manifest.ArtifactType = layer.MediaType
	return config, manifest, nil
}

// IsModule reports whether a manifest is that of a KCL package, whose only layer
// Unpacker.Module unpacks: by kpm's annotations, or, as the first versions of
// kpm wrote none, by the media types and the layer's title.
func IsModule(m *ocispec.Manifest) bool {
	if len(m.Layers) != 1 || Unpacks(m.Layers[0]) {
		return false
	}
	for key := range m.Annotations {
		if strings.HasPrefix(key, kclPrefix) {
			return true
		}
	}
	title := m.Layers[0].Annotations[ocispec.AnnotationTitle]
	archive := strings.HasSuffix(title, ".tar") || strings.HasSuffix(title, ".tgz")
	return archive && (isLayerType(m.ArtifactType) || isLayerType(m.Config.MediaType))
}

// isLayerType reports whether kpm uses a media type, of a layer, for a whole
// artifact.
func isLayerType(mediaType string) bool {
	return mediaType == ocispec.MediaTypeImageLayer || mediaType == ocispec.MediaTypeImageLayerGzip
}

// CheckModule compares the files of a KCL package, unpacked to dir and with
// nothing else in it, with the sum in its manifest. It fails with
// diag.DigestMismatch. A manifest without a sum passes.
//
// kpm computes the sum before it fetches dependencies into vendor, and over
// files that include and exclude keep out of the package: where that may have
// happened, another sum is no fault. The layer's digest holds in any case.
func CheckModule(ctx context.Context, dir string, m *ocispec.Manifest) error {
	want, ok := m.Annotations[kclSum]
	if !ok {
		return nil
	}
	got, err := moduleSum(ctx, dir)
	if err != nil {
		return fmt.Errorf("cannot check the package: %w", err)
	}
	if got == want || summedBefore(dir) {
		return nil
	}
	return diag.Errorf(diag.DigestMismatch, "the files of the package have the sum %s, and its manifest says %s", got, want).
		WithHint("nothing was written; the package was changed after it was made: whoever published it has to do so again")
}

// summedBefore reports whether kpm may have computed the sum of a package over
// other files than are in it.
func summedBefore(dir string) bool {
	if info, err := os.Stat(filepath.Join(dir, "vendor")); err == nil && info.IsDir() {
		return true
	}
	p, _ := program.ReadPackageInfo(dir)
	return p != nil && len(p.Include)+len(p.Exclude) > 0
}

// moduleSum returns kpm's sum of a directory: of the contents of its files one
// after the other, without their names.
func moduleSum(ctx context.Context, dir string) (string, error) {
	sum := sha256.New()
	err := fs.WalkDir(os.DirFS(dir), ".", func(rel string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || ignored(rel) {
			return err
		}
		f, _, err := regular.Open(filepath.Join(dir, filepath.FromSlash(rel)))
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = io.Copy(sum, contextReader{ctx, f})
		return err
	})
	return base64.StdEncoding.EncodeToString(sum.Sum(nil)), err
}
