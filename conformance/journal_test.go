package conformance

import (
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
)

// absent stands in a journal for a tag that names nothing.
const absent digest.Digest = ""

// place is a tag of a repository.
type place struct{ repo, tag string }

// journal is what a registry has acknowledged. Each place has one writer; anyone
// reads. A request whose answer was lost may have been carried out or not, so
// that a place can have several possible contents.
type journal struct {
	mu        sync.Mutex
	places    map[place]*entry
	order     []place                   // of places, to pick one at random
	referrers map[place][]digest.Digest // by repository and digest of the subject: acknowledged
}

type entry struct {
	possible []digest.Digest
	version  int  // counts what touched it
	busy     bool // something that touches it runs
}

func newJournal() *journal {
	return &journal{places: map[place]*entry{}, referrers: map[place][]digest.Digest{}}
}

// begin says that a request to change these places is about to be sent.
func (j *journal) begin(places ...place) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, p := range places {
		e := j.places[p]
		if e == nil {
			e = &entry{possible: []digest.Digest{absent}}
			j.places[p], j.order = e, append(j.order, p)
		}
		e.version++
		e.busy = true
	}
}

// end says how it went: the place has the content now, or it may have it.
func (j *journal) end(p place, content digest.Digest, acknowledged bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	e := j.places[p]
	if acknowledged {
		e.possible = nil
	}
	if !slices.Contains(e.possible, content) {
		e.possible = append(e.possible, content)
	}
	e.busy = false
}

// gone says how it went to delete a manifest: a place that may have had it has
// nothing now, or may have nothing.
func (j *journal) gone(p place, content digest.Digest, acknowledged bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	e := j.places[p]
	if acknowledged {
		e.possible = slices.DeleteFunc(e.possible, func(d digest.Digest) bool { return d == content })
	}
	if !slices.Contains(e.possible, absent) {
		e.possible = append(e.possible, absent)
	}
	e.busy = false
}

// with lists the places of a repository that may have the content.
func (j *journal) with(repo string, content digest.Digest) (found []place) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for p, e := range j.places {
		if p.repo == repo && slices.Contains(e.possible, content) {
			found = append(found, p)
		}
	}
	return found
}

// certain is a place whose content is known.
type certain struct {
	place
	content   digest.Digest
	version   int
	referrers []digest.Digest
}

// pick returns a place with known content that suits; ok is false when there is
// none at the first look.
func (j *journal) pick(random *rand.Rand, suits func(place) bool) (c certain, ok bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for range min(len(j.order), 200) {
		p := j.order[random.IntN(len(j.order))]
		e := j.places[p]
		if suits(p) && !e.busy && len(e.possible) == 1 && e.possible[0] != absent {
			return certain{p, e.possible[0], e.version, slices.Clone(j.referrers[place{p.repo, e.possible[0].String()}])}, true
		}
	}
	return c, false
}

// untouched says whether nothing has begun to change it since it was picked.
func (j *journal) untouched(c certain) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.places[c.place].version == c.version
}

// refer records an acknowledged referrer.
func (j *journal) refer(repo string, subject, referrer digest.Digest) {
	j.mu.Lock()
	defer j.mu.Unlock()
	key := place{repo, subject.String()}
	j.referrers[key] = append(j.referrers[key], referrer)
}
