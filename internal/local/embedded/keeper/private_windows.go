package keeper

// checkPrivate does nothing: the rights of a directory are inherited from the
// user's own.
func checkPrivate(string, []int) error { return nil }

// ownerOf does not know: there is no user who may do anything.
func ownerOf(string) (uid int, ok bool) { return 0, false }
