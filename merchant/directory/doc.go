// Package directory is what the public may find: the outlets that give members
// discounts now, searched by place, trade, brand, words and distance (policy
// article 18: what is signed is published at once on the network).
//
// # What is listed
//
// An active outlet of an active merchant under a contract in force that has
// Terms now. The rule is merchant.Snapshot's, so tills and the public never
// disagree for longer than one poll of the change feed; what begins or ends by
// the clock is taken in by Run within a quarter of a second, and what has ended
// is left out of every answer at the very moment.
//
// # The index
//
// Every node holds an immutable Index: blocks of at most 2,048 outlets in the
// order of their ids, each with posting lists of the characters and pairs of
// characters in its outlets' texts and of their city, county, trade and brand; and a
// grid of their positions. A change copies the blocks it touches; the posting
// lists of a block are made again only if what is searched for changed, so a
// floor that changes 50,000 contracts costs 50,000 small records and no lists.
//
// # Positions
//
// Positions are stored in GCJ-02, the datum of every map that may be published
// in China, which lies up to 700 m off WGS-84, what satellites and browsers
// give; Point converts. Distances are great-circle, in millimetres.
//
// # For mirrors
//
// One node at a time (Scribe) writes the public form of every outlet to the table
// directory_outlets under a dense sequence, so that a mirror can follow by a
// cursor without gaps, whichever node it asks.
//
// # Signs of life
//
// Signs says when an outlet last gave a discount and when a terminal of it was
// last heard; a merchant without a discount for 30 days is marked silent.
package directory
