package event

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Fault is one thing that is wrong with the chain.
type Fault struct {
	Seq     int64 // link, 0 for none
	EventID int64 // 0 for none
	What    FaultKind
}

// FaultKind says what is wrong.
type FaultKind string

// The faults.
const (
	// FaultGap: a link is missing.
	FaultGap FaultKind = "link missing"
	// FaultMissing: a linked event is gone.
	FaultMissing FaultKind = "event missing"
	// FaultAltered: the event, its place in the chain or the link's hash is not what
	// was linked.
	FaultAltered FaultKind = "event or link altered"
	// FaultUnlinked: an event that no link holds.
	FaultUnlinked FaultKind = "event not linked"
	// FaultCut: the chain ends before the head that was kept outside.
	FaultCut FaultKind = "chain shorter than the head kept outside"
	// FaultRewritten: the chain does not run through the head that was kept outside.
	FaultRewritten FaultKind = "chain differs from the head kept outside"
)

func (f Fault) String() string {
	return fmt.Sprintf("link %d, event %d: %s", f.Seq, f.EventID, f.What)
}

// Report is what Verify found.
type Report struct {
	Head  Head // to be kept outside
	Links int64
	// Faults in the chain, and Unlinked events, which are faults too unless they
	// were only just committed. At most maxFaults each; the counts are whole.
	Faults        []Fault
	FaultCount    int64
	Unlinked      []int64
	UnlinkedCount int64
}

const maxFaults = 1000

func (r *Report) fault(seq, event int64, what FaultKind) {
	r.FaultCount++
	if len(r.Faults) < maxFaults {
		r.Faults = append(r.Faults, Fault{seq, event, what})
	}
}

// Verify walks the whole chain in one snapshot. known is a head from an earlier
// Verify that was kept outside; a zero Head: none. After a fault it goes on from
// the stored hash, so that each fault is reported once, where it is.
func Verify(ctx context.Context, db DB, known Head) (r *Report, err error) {
	tx, err := db.Begin(ctx)
	if err != nil {
		return nil, fmt.Errorf("event.Verify: begin: %w", err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }() // nothing was written
	if _, err := tx.Exec(ctx, `SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY`); err != nil {
		return nil, fmt.Errorf("event.Verify: %w", err)
	}
	r = &Report{}
	if err := r.walk(ctx, tx, known); err != nil {
		return nil, err
	}
	rows, err := tx.Query(ctx, `SELECT e.id FROM events e WHERE NOT EXISTS (SELECT FROM event_chain c WHERE c.event_id = e.id) ORDER BY e.id`)
	if err != nil {
		return nil, fmt.Errorf("event.Verify: unlinked: %w", err)
	}
	var id int64
	_, err = pgx.ForEachRow(rows, []any{&id}, func() error {
		r.UnlinkedCount++
		if len(r.Unlinked) < maxFaults {
			r.Unlinked = append(r.Unlinked, id)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("event.Verify: unlinked: %w", err)
	}
	return r, nil
}

// walk checks every link against its event and the link before it.
func (r *Report) walk(ctx context.Context, tx pgx.Tx, known Head) error {
	rows, err := tx.Query(ctx, `SELECT c.seq, c.event_id, c.hash, e.id IS NOT NULL,
			coalesce(e.id, 0), coalesce(e.at, 'epoch'), coalesce(e.actor, ''), coalesce(e.action, ''), coalesce(e.object_kind, ''),
			coalesce(e.object_id, ''), coalesce(e.reason, ''), e.before::text, e.after::text
		FROM event_chain c LEFT JOIN events e ON e.id = c.event_id ORDER BY c.seq`)
	if err != nil {
		return fmt.Errorf("event.Verify: read: %w", err)
	}
	head := genesis()
	through := known.Seq == 0
	var seq, event int64
	var hash []byte
	var there bool
	var e row
	_, err = pgx.ForEachRow(rows, append([]any{&seq, &event, &hash, &there}, e.fields()...), func() error {
		r.Links++
		gap := seq - head.Seq - 1
		if gap > 0 { // one fault for all in a row
			r.fault(head.Seq+1, 0, FaultGap)
			r.FaultCount += gap - 1
		}
		next := head.link(&e)
		switch {
		case !there:
			r.fault(seq, event, FaultMissing)
		case gap == 0 && string(next.Hash[:]) != string(hash): // behind a gap nothing can be told
			r.fault(seq, event, FaultAltered)
		}
		head.Seq = seq
		copy(head.Hash[:], hash)
		if seq == known.Seq {
			through = true
			if head != known {
				r.fault(seq, event, FaultRewritten)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("event.Verify: read: %w", err)
	}
	if !through {
		r.fault(known.Seq, 0, FaultCut)
	}
	r.Head = head
	return nil
}
