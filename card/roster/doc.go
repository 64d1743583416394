// Package roster takes rosters of members in: a file with a row a member, uploaded
// by the registrar of a union (article 22: grassroots unions register members).
//
// # States of a run
//
// uploading → queued → checking → checked → confirmed → applying → applied. A file
// that can't be read as a whole is refused, with a sentence; a checked one that the
// clerk does not want is discarded, or expires; a run that failed too often is
// broken. Checking and applying are work for any node, which holds the run by a
// lease. Checking is staged batch by batch and goes on behind the last batch when a
// node dies; applying is one transaction.
//
// # Invariants
//
// Checking changes no member. What is applied is what was checked: every row is
// held against the members again in the transaction that applies it, and one whose
// member has changed meanwhile becomes faulty and is left out. Faulty rows never
// stop the others. The same file is taken up once for a union, and applied once.
//
// A row's person is one of: new; changed; unchanged; moved, from another union of
// the run's territory; transfer, from a union beyond it, which is asked for; rejoin,
// back after leaving; faulty. Each of a row's faults has a code that stays the same
// for good, says what is wrong and what to do, and never repeats a value.
//
// The upload and the rows hold personal data only sealed (package personal). The
// upload goes when it has been checked, the rows when the run is applied or
// discarded, at the latest after Kept; of faulty rows too.
package roster

import (
	"fmt"
	"time"
)

// State is where a run stands.
type State string

// The states, as stored. Refused, applied, discarded, expired and broken are final.
const (
	Uploading State = "uploading"
	Queued    State = "queued"
	Checking  State = "checking"
	Checked   State = "checked"
	Refused   State = "refused"
	Confirmed State = "confirmed"
	Applying  State = "applying"
	Applied   State = "applied"
	Discarded State = "discarded"
	Expired   State = "expired"
	Broken    State = "broken"
)

// Working reports whether a worker has it, or will.
func (s State) Working() bool {
	return s == Uploading || s == Queued || s == Checking || s == Confirmed || s == Applying
}

// Bounds and durations.
const (
	// MaxBytes is the largest upload.
	MaxBytes = 512 << 20
	// MaxRows is the most members of one file.
	MaxRows = 1_000_000
	// Kept is how long a run that nobody finishes keeps its rows, and an applied one
	// its faulty ones.
	Kept = 30 * 24 * time.Hour
	// uploadLimit is how long an upload may take before it counts as given up.
	uploadLimit = 2 * time.Hour
)

// Outcome is what comes of a row.
type Outcome int16

// The outcomes, as stored.
const (
	New       Outcome = 1
	Changed   Outcome = 2
	Unchanged Outcome = 3
	Moved     Outcome = 4
	Transfer  Outcome = 5
	Rejoin    Outcome = 6
	Faulty    Outcome = 9
)

// Counts are rows by outcome.
type Counts struct {
	New, Changed, Unchanged, Moved, Transfer, Rejoin, Faulty int
	Stale                                                    int // of Faulty: changed between check and apply
	Phoneless                                                int // of the good ones: without a phone number
}

// Effect is how many rows applying does something with.
func (c Counts) Effect() int { return c.New + c.Changed + c.Moved + c.Transfer + c.Rejoin }

// Good is how many rows are not faulty.
func (c Counts) Good() int { return c.Effect() + c.Unchanged }

// Rows is all rows.
func (c Counts) Rows() int { return c.Good() + c.Faulty }

// Of is the count of an outcome.
func (c Counts) Of(o Outcome) int {
	return map[Outcome]int{New: c.New, Changed: c.Changed, Unchanged: c.Unchanged, Moved: c.Moved, Transfer: c.Transfer,
		Rejoin: c.Rejoin, Faulty: c.Faulty}[o]
}

// Run is one upload.
type Run struct {
	ID          int64
	UnionID     int64
	Union, Path string
	Name        string // of the file
	State       State
	Bytes       int64
	Staff       string // who uploaded it
	CreatedAt   time.Time
	Format      string
	Headings    []string
	Ignored     []string // headings that mean nothing here
	RowsDone    int
	Part        float64       // of the file checked, 0 to 1
	Left        time.Duration // time left of the check, 0 if not known yet
	Counts
	FaultCode, Fault string // of the file as a whole
	CheckedAt        time.Time
	ConfirmedBy      string
	ConfirmedAt      time.Time
	Reason           string
	AppliedAt        time.Time
	Purged           bool
}

// Object is the run as events name it.
func (r *Run) Object() string { return object(r.ID) }

func object(id int64) string { return fmt.Sprintf("rosterrun:%d", id) }
