package engine

import (
	"crypto/rand"
	"encoding/json"
	"path/filepath"

	"github.com/berth-oci/berth/internal/base/atomicfile"
	"github.com/berth-oci/berth/internal/base/regular"
)

// idFile tells the registry of a data directory from all others, those among them
// that get its address later, or its directory when it has been removed. It stays
// when the registry stops.
const idFile = "berth.registry.json"

// registryID is the content of idFile.
type registryID struct {
	ID     string `json:"id"`
	Stores string `json:"stores"` // see Unit.Stores
}

// RegistryID returns the identity of the registry of a data directory; "" where
// none has been started.
func RegistryID(dir string) string { return readRegistryID(dir).ID }

func readRegistryID(dir string) (id registryID) {
	data, err := regular.ReadSmall(filepath.Join(dir, idFile))
	if err != nil || json.Unmarshal(data, &id) != nil {
		return registryID{}
	}
	return id
}

// identify gives the registry of u its identity: a new one at its first start, and
// when it stores somewhere else than before. The lock must be held.
func identify(u Unit) error {
	if id := readRegistryID(u.Dir); id.ID != "" && id.Stores == u.Stores {
		return nil
	}
	data, err := json.Marshal(registryID{rand.Text(), u.Stores})
	if err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(u.Dir, idFile), append(data, '\n'), 0o600)
}
