package embedded

// files is how many files, and connections to a storage service, each part of a
// registry may have open. Together they are no more than the process may have, for
// who speaks HTTP/2 can ask for many of each over few connections.
type files struct {
	connections int // of clients
	reads       int // of blobs
	writes      int // of uploads
}

// divide returns how many there are of each where a process may have so many open,
// some of which are for what the registry itself does. Less than its least many are
// not divided.
func divide(descriptors int) files {
	const own, least, mostWrites = 64, 64, 1024
	free := max(least, descriptors-own)
	writes := min(mostWrites, free/4)
	connections := (free - writes) / 2
	return files{connections: connections, reads: free - writes - connections, writes: writes}
}
