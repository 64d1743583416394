package signing_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card/union/staff"
	"unioncard/merchant"
	"unioncard/merchant/signing"
)

// TestPublishOnce: of publishers at once one publishes.
func TestPublishOnce(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	id := o.contract(false)
	o.signed(id, percent(8800))
	errs := make([]error, 6)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Add(1)
		go func() {
			defer wg.Done()
			_, errs[i] = o.contracts.Publish(o.ctx, o.maker, id)
		}()
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else if !errors.Is(err, signing.ErrNotApproved) {
			t.Errorf("a loser got %v", err)
		}
	}
	if won != 1 || o.count(`SELECT count(*) FROM contract_terms`) != 1 {
		t.Errorf("%d published, %d versions", won, o.count(`SELECT count(*) FROM contract_terms`))
	}
}

// TestPublishWhileTheFloorRises: whichever comes first, no contract is left below a
// floor without the floor's list holding it.
func TestPublishWhileTheFloorRises(t *testing.T) {
	t.Parallel()
	for i := range 6 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			o := newOffice(t)
			id := o.contract(false)
			o.signed(id, percent(9000))
			var wg sync.WaitGroup
			var published, raised error
			wg.Add(2)
			go func() {
				defer wg.Done()
				_, published = o.contracts.Publish(o.ctx, o.maker, id)
			}()
			go func() {
				defer wg.Done()
				_, raised = o.merchants.PublishFloor(o.ctx, by, merchant.NewFloor{Trade: merchant.TradeCatering,
					Terms: canonical(t, percent(8000)), DeadlineDays: 30})
			}()
			wg.Wait()
			o.must(raised)
			listed := o.count(`SELECT count(*) FROM renegotiations WHERE contract_id = $1`, id)
			var below *merchant.BelowFloorError
			switch {
			case published == nil && listed == 1:
			case errors.As(published, &below) && listed == 0 && o.stage(id) == merchant.StageAwaitingSignature:
			default:
				t.Errorf("published: %v, listed %d times", published, listed)
			}
		})
	}
}

// TestDeathBetweenSteps: a process that dies within a step leaves nothing of it.
func TestDeathBetweenSteps(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	id := o.contract(false)
	o.signed(id, percent(8800))
	tx, err := o.db.Begin(o.ctx)
	o.must(err)
	dying := signing.NewContracts(tx, o.clock.Now, signing.New(tx, signing.Options{Clock: o.clock.Now, Kinds: signing.Kinds(o.clock.Now)}), o.files)
	if _, err := dying.Publish(o.ctx, o.maker, id); err != nil {
		t.Fatal(err)
	}
	o.must(tx.Rollback(context.WithoutCancel(o.ctx))) // the commit never came
	if o.stage(id) != merchant.StageAwaitingSignature || o.count(`SELECT count(*) FROM contract_terms`) != 0 {
		t.Errorf("stage %s", o.stage(id))
	}
	_, err = o.contracts.Publish(o.ctx, o.maker, id)
	o.must(err)
}

// TestPublishWhileTheDaysAreEdited: a draft's days and floor clause that are edited
// between the look at the approval and the publishing do not come in force unsigned.
func TestPublishWhileTheDaysAreEdited(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	id := o.contract(true)
	o.signed(id, percent(8800))
	c, err := o.merchants.Contract(o.ctx, id)
	o.must(err)
	var once sync.Once
	meddling := func() time.Time { // publishing looks at the clock after the approval and before it locks
		once.Do(func() {
			o.must(o.merchants.EditContract(o.ctx, by, id, c.Version, merchant.ContractEdit{ValidFrom: c.ValidFrom,
				ValidUntil: c.ValidUntil.AddDate(5, 0, 0), RefundTail: 0, FloorClause: false}))
		})
		return o.clock.Now()
	}
	contracts := signing.NewContracts(o.db, meddling, o.proposals, o.files)
	if _, err := contracts.Publish(o.ctx, o.maker, id); !errors.Is(err, signing.ErrStale) {
		t.Errorf("published: %v", err)
	}
	if n := o.count(`SELECT count(*) FROM contracts WHERE status = 'active'`); n != 0 {
		t.Errorf("%d contracts in force that nobody signed so", n)
	}
}

// TestDecideAfterDeadlock: an approval that PostgreSQL breaks off for a deadlock, as
// with a merger, is done over, and carried out once; not for ever, and for no other
// error.
func TestDecideAfterDeadlock(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		state string // SQLSTATE of the first losses
		lost  int
		runs  int
		good  bool
	}{
		{"40P01", 1, 2, true},
		{"40P01", 2, 2, false},
		{"57014", 1, 1, false},
	} {
		t.Run(fmt.Sprint(c.state, " ", c.lost), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			kind, runs := noteKind(), 0
			rename := kind.Apply
			kind.Apply = func(ctx context.Context, tx pgx.Tx, by merchant.By, p *signing.Proposal) error {
				if err := rename(ctx, tx, by, p); err != nil {
					return err
				}
				if runs++; runs > c.lost {
					return nil
				}
				// Which side of a deadlock loses is a matter of moments: this one does.
				_, err := tx.Exec(ctx, `DO $$ BEGIN RAISE EXCEPTION 'lost' USING ERRCODE = '`+c.state+`'; END $$`)
				return fmt.Errorf("rename: %w", err)
			}
			s := w.desk(kind)
			id := w.propose(s, w.account(w.county, staff.Negotiator))
			err := s.Decide(w.ctx, w.account(w.county, staff.Approver), id, true, "同意")
			if (err == nil) != c.good || runs != c.runs {
				t.Errorf("run %d times: %v", runs, err)
			}
			want := 0
			if c.good {
				want = 1
			}
			if n := w.count(`SELECT count(*) FROM events WHERE action = 'proposal.approve'`); n != want {
				t.Errorf("told %d times", n)
			}
			if n := w.count(`SELECT version::integer FROM unions WHERE id = $1`, w.county); n != 1+want {
				t.Errorf("the union is at version %d", n)
			}
		})
	}
}
