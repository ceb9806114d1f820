package transfer

import "github.com/opencontainers/go-digest"

// Step is what an Event tells of.
type Step string

// The steps of push, pull and copy.
const (
	Packing     Step = "packing"     // Done of Total bytes of files; Total is 0, as it is not known
	Packed      Step = "packed"      // the layer has Digest and Total bytes
	Uploading   Step = "uploading"   // Done of Total bytes of the blob Digest; Done falls when bytes have to be sent again. Neither Digest nor Total is known of one that is sent while it is packed
	Downloading Step = "downloading" // likewise
	Copying     Step = "copying"     // likewise, from one place to another
	Present     Step = "present"     // the blob Digest is there already
	Mounted     Step = "mounted"     // the registry took the blob Digest from another of its repositories
	Stored      Step = "stored"      // the manifest Digest is there now
	Tagged      Step = "tagged"      // Name is a tag that names Digest now
	Unchanged   Step = "unchanged"   // Name is a tag, or a directory, that held Digest before
	Chosen      Step = "chosen"      // Name is the tag that was chosen, as none was given
	Cached      Step = "cached"      // the blob Digest came from the cache
	Damaged     Step = "damaged"     // the blob Digest in the cache was wrong, and is not used
	Waiting     Step = "waiting"     // another process fetches the blob Digest
	Resumed     Step = "resumed"     // Done bytes of the blob Digest are there from an interrupted pull
	Stale       Step = "stale"       // Name is a tag whose digest is the cache's, as the registry does not answer
	Unrelated   Step = "unrelated"   // the manifest Digest is listed as a referrer, and is none, or is not there
	Failed      Step = "failed"      // Name is a tag that could not be copied
)

// Event is one step of an operation. Events of one blob come in order.
type Event struct {
	Step   Step          `json:"step"`
	Name   string        `json:"name,omitempty"` // blob title, tag or directory
	Digest digest.Digest `json:"digest,omitempty"`
	Done   int64         `json:"done,omitempty"`  // bytes
	Total  int64         `json:"total,omitempty"` // bytes
	Error  string        `json:"error,omitempty"` // of Failed
}

// Events receives events, from several goroutines at once. It may be nil.
type Events func(Event)

func (f Events) send(e Event) {
	if f != nil {
		f(e)
	}
}
