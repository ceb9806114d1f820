package filelock

import "os"

const locksDirs = false

// openFlags have nothing against links, which take privileges to make.
const openFlags = os.O_RDONLY
