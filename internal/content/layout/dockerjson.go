package layout

import (
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-oci/berth/diag"
	"github.com/berth-oci/berth/internal/base/strictjson"
)

// parseImages reads dockerManifest.
func parseImages(data []byte) (images []dockerImage, err error) {
	members := []string{"Config", "RepoTags", "Layers"}
	err = strictjson.Read(data, func(r *strictjson.Reader) {
		r.Array(func() {
			var image dockerImage
			r.Object(members, func(name string) {
				switch name {
				case "Config":
					image.Config = r.String()
				case "RepoTags":
					image.RepoTags = r.Strings()
				case "Layers":
					image.Layers = r.Strings()
				default:
					r.Skip()
				}
			})
			images = append(images, image)
		})
	})
	return images, err
}

// parseConfig returns what an image config says of the platform that the image is
// for, and of the tars that its layers are.
//
// Errors: diag.BadArtifact.
func parseConfig(name string, data []byte) (*ocispec.Platform, []digest.Digest, error) {
	p := &ocispec.Platform{}
	var diffIDs []digest.Digest
	err := strictjson.Read(data, func(r *strictjson.Reader) {
		r.Object([]string{"architecture", "os", "variant", "rootfs"}, func(name string) {
			switch name {
			case "architecture":
				p.Architecture = r.String()
			case "os":
				p.OS = r.String()
			case "variant":
				p.Variant = r.String()
			case "rootfs":
				diffIDs = parseRootFS(r)
			default:
				r.Skip()
			}
		})
	})
	if err != nil {
		return nil, nil, diag.Errorf(diag.BadArtifact, "config %s is not the JSON of an image config: %w", name, err).WithHint("the image has to be made again")
	}
	return p, diffIDs, nil
}

func parseRootFS(r *strictjson.Reader) (diffIDs []digest.Digest) {
	r.Object([]string{"diff_ids"}, func(name string) {
		if name != "diff_ids" {
			r.Skip()
			return
		}
		for _, id := range r.Strings() {
			diffIDs = append(diffIDs, digest.Digest(id))
		}
	})
	return diffIDs
}
