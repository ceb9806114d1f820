package launch

import "github.com/berth-oci/berth/internal/config/resolve"

// own is what berth's push and pull do themselves, whatever the registry does.
func own() Capabilities {
	const neither = "this version of berth neither signs nor scans what it pushes"
	return Capabilities{Signing: {Level: Unsupported, Note: neither}}
}

// PushNotes says what t asks of a push that berth does not do.
func PushNotes(t *resolve.Target) []string {
	var asked []Asked
	ask := func(on bool, path string) {
		if on { // one answer for all: what makes a pushed artifact trusted
			asked = append(asked, Asked{Feature: Signing, Path: path, Default: true})
		}
	}
	if f := t.Spec.Features; f != nil {
		ask(f.VulnerabilityScanning, "features.vulnerability_scanning")
		ask(f.ImageSigning, "features.image_signing")
	}
	if h := t.Spec.Harbor; h != nil {
		ask(h.ContentTrust, "harbor_config.content_trust")
	}
	return own().idle(asked)
}
