// Package recon holds what a merchant's till says it sold against what this service
// recorded: reconciliation (对账).
//
// # Files
//
// A Reconciliation is some days of one merchant; its files are versions, of which the
// newest one that could be checked counts. A file's states:
//
//	uploading → queued → checking → checked → superseded (by a newer version)
//	                              → asking  (which column is which? then queued again)
//	                              → refused (can't be read, wrong totals, wrong days)
//	any of the unfinished ones → dropped; failed too often → broken
//
// Checking is work for any node, which holds the file by a lease; it reads, matches
// and writes what it found in one transaction, so that a node that dies has done
// nothing and the next begins anew.
//
// # Matching
//
// Rows are matched one to one by purchase id, then merchant_ref, then by amounts, time
// (± Window) and the card's last four digits. What is compared is net: a purchase less
// what was undone of it within the days, with the sum of the file's rows about it. So
// a voided sale may stand in the file with its void, or not at all.
//
// # Differences
//
// theirs: the file has it and this service does not. ours: the other way round.
// amount: both have it, with other amounts. States of a difference:
//
//	open → accepted  an offline sale: the union pays its share after all
//	     → adjusted  an amount is put right
//	     → voided    the merchant has undone the sale
//	     → rejected  the record of this service stands
//	     → gone      the newest file no longer has it
//
// accepted and adjusted may move money, so finance proposes and a second person
// approves (kind KindAccept); what is posted goes through Adjust in the same
// transaction. A difference keeps its identity over versions of the file, and with it
// what was decided: an offline sale is accepted once, whichever file tells of it. One
// whose money is posted and that the newest file no longer has is opened again (why
// booked). A reconciliation without an open difference is settled.
//
// Of the member nothing is kept but the card's last four digits (invariant 11); the
// file is sealed while it waits and goes when it has been checked.
package recon

import (
	"fmt"
	"time"

	"github.com/google/uuid"

	"unioncard/settlement/ledger"
)

// FileState is where a file stands.
type FileState string

// The states of a file, as stored.
const (
	Uploading  FileState = "uploading"
	Queued     FileState = "queued"
	Checking   FileState = "checking"
	Asking     FileState = "asking"
	Checked    FileState = "checked"
	Refused    FileState = "refused"
	Superseded FileState = "superseded"
	Dropped    FileState = "dropped"
	Broken     FileState = "broken"
)

// Working reports whether a worker has it, or will.
func (s FileState) Working() bool { return s == Uploading || s == Queued || s == Checking }

// Bounds.
const (
	// MaxBytes and MaxRows are the largest file.
	MaxBytes = 64 << 20
	MaxRows  = 500_000
	// MaxDays is how many days a file may cover.
	MaxDays = 31
	// MaxDifferences is how many a file may have: beyond, it is not about these sales.
	MaxDifferences = 20_000
	// MaxFen is the largest amount of a row, as of a purchase.
	MaxFen = 100_000_000
	// Window is how far the till's clock may be from the time of a purchase.
	Window = 10 * time.Minute
	// Kept is how long a file waits for its columns to be named.
	Kept = 30 * 24 * time.Hour
	// uploadLimit is how long an upload may take before it counts as given up.
	uploadLimit = time.Hour
)

// Kind is what sort of difference it is.
type Kind string

// The kinds.
const (
	Theirs Kind = "theirs"
	Ours   Kind = "ours"
	Amount Kind = "amount"
)

// Why is the nearer reason of a difference.
type Why string

// The reasons.
const (
	NotFound  Why = "not_found" // theirs: nothing of the merchant's is like it
	WrongDay  Why = "wrong_day" // theirs: recorded on a day beyond those of the file
	Duplicate Why = "duplicate" // theirs: the sale stands in the file more than once
	Missing   Why = "missing"   // ours: the file has nothing of it
	Undone    Why = "undone"    // amount: one side has it voided or refunded
	Unequal   Why = "unequal"   // amount
	Booked    Why = "booked"    // its money is posted, and the newest file no longer has it
)

// State is where a difference stands.
type State string

// The states of a difference, as stored. All but open and gone are final.
const (
	Open     State = "open"
	Accepted State = "accepted"
	Adjusted State = "adjusted"
	Voided   State = "voided"
	Rejected State = "rejected"
	Gone     State = "gone"
)

// Sums are the three amounts of a sale in fen; what is returned is negative. Has says
// which of them a file has.
type Sums struct {
	Fen, Discount, Paid int64
	Has                 Has
}

// Has is a set of amounts.
type Has uint8

// The amounts.
const (
	HasFen Has = 1 << iota
	HasDiscount
	HasPaid
	hasAll = HasFen | HasDiscount | HasPaid
)

// add adds up; what is known of the sum is what is known of both.
func (s Sums) add(o Sums) Sums {
	return Sums{s.Fen + o.Fen, s.Discount + o.Discount, s.Paid + o.Paid, s.Has & o.Has}
}

// agrees reports whether two sums are equal in all that both have.
func (s Sums) agrees(o Sums) bool {
	has := s.Has & o.Has
	return has != 0 && (has&HasFen == 0 || s.Fen == o.Fen) && (has&HasDiscount == 0 || s.Discount == o.Discount) &&
		(has&HasPaid == 0 || s.Paid == o.Paid)
}

// zero reports whether nothing is left.
func (s Sums) zero() bool { return s.Fen == 0 && s.Discount == 0 && s.Paid == 0 }

// main is the amount that a file's control total is of: what was sold, or what was
// paid where the file has no more.
func (s Sums) main() int64 {
	if s.Has&HasFen != 0 {
		return s.Fen
	}
	return s.Paid
}

// Row is one line of a till's file.
type Row struct {
	No     int
	ID     uuid.UUID // of a purchase; uuid.Nil without
	Ref    string
	At     time.Time // zero without
	Last4  int16     // of the card's number; -1 without
	Return bool      // money went back
	Sums
}

// Purchase is what this service has of a sale.
type Purchase struct {
	ID       uuid.UUID
	OutletID int64
	At       time.Time
	Day      ledger.Day
	Ref      string
	Last4    int16 // -1 without
	// Sale is what was sold; zero if its day is beyond the file's, which then has only
	// what was undone of it.
	Sale Sums
	// Undos are what was undone of it within the file's days, negative.
	Undos []Undo
	// Beyond: neither sold nor undone within the file's days; only there to say so.
	Beyond bool
}

// Undo is one void, reversal or refund.
type Undo struct {
	At time.Time
	Sums
}

// net is what is left of a purchase within the days.
func (p *Purchase) net() Sums {
	s := p.Sale
	s.Has = hasAll
	for _, u := range p.Undos {
		s = s.add(u.Sums)
	}
	return s
}

// object is a difference as events and proposals name it.
func object(id int64) string { return fmt.Sprintf("difference:%d", id) }

// caseObject is a reconciliation as events name it.
func caseObject(id int64) string { return fmt.Sprintf("reconciliation:%d", id) }
