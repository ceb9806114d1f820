package oci

// RegistryHeader is the header in which a registry that berth runs tells its
// identity: clients on the machine, who know it from the data directory, see
// whether it is the one that they mean or another at the same address. Answers of
// blobs have it not, as these are what their digest says, whoever sends them; nor have
// refusals of clients that may not come in.
const RegistryHeader = "Berth-Registry"
