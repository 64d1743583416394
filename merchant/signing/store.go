package signing

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"unioncard/card/union/event"
	"unioncard/card/union/staff"
	"unioncard/merchant"
)

// Options is what a store needs.
type Options struct {
	Clock func() time.Time
	Kinds []Kind
}

// Store keeps proposals in PostgreSQL.
type Store struct {
	db    merchant.DB
	clock func() time.Time
	kinds map[string]Kind
}

// New returns a store of proposals of the given kinds.
func New(db merchant.DB, o Options) *Store {
	s := &Store{db: db, clock: o.Clock, kinds: map[string]Kind{}}
	for _, k := range o.Kinds {
		s.kinds[k.Name] = k
	}
	return s
}

// now is the clock at PostgreSQL's resolution.
func (s *Store) now() time.Time { return s.clock().Truncate(time.Microsecond) }

// Kinds lists the names of the kinds, sorted.
func (s *Store) Kinds() []string {
	var out []string
	for name := range s.kinds {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// kind finds a kind by its name.
func (s *Store) kind(name string) (Kind, error) {
	k, ok := s.kinds[name]
	if !ok {
		return k, fmt.Errorf("signing: no kind of proposal is %q", name)
	}
	return k, nil
}

// fingerprint takes the fingerprint of a proposal to be.
func (k Kind) fingerprint(ctx context.Context, tx pgx.Tx, object string, payload json.RawMessage) (string, error) {
	if k.Fingerprint == nil {
		return "", nil
	}
	return k.Fingerprint(ctx, tx, object, payload)
}

// Propose proposes something about an object of an office, in a transaction of
// its own. officeID is the office that answers for the object; the caller has
// found it by the object, not by a form. It returns the proposal's id.
//
// merchant.ErrNotFound for an office outside the maker's territory, ErrNotYours
// without the right (looked up again in the transaction), merchant.FieldErrors
// without a reason, ErrAlreadyWaiting (one_waiting stands behind), and what the
// kind's Check refuses.
func (s *Store) Propose(ctx context.Context, maker *staff.Account, kind, object string, officeID int64, payload any, reason string) (id int64, err error) {
	k, err := s.kind(kind)
	if err != nil {
		return 0, err
	}
	if err := checkReason(reason); err != nil {
		return 0, err
	}
	doc, err := json.Marshal(payload)
	if err != nil {
		return 0, fmt.Errorf("signing: payload: %w", err)
	}
	err = change(ctx, s.db, func(tx pgx.Tx) error {
		now, err := accountNow(ctx, tx, maker.ID)
		if err != nil {
			return err
		}
		if err := s.maySee(ctx, tx, now, officeID); err != nil {
			return err
		}
		if !now.May(k.Right) {
			return ErrNotYours
		}
		print, err := k.fingerprint(ctx, tx, object, doc)
		if err != nil {
			return err
		}
		if k.Check != nil {
			if err := k.Check(ctx, tx, object, doc); err != nil {
				return err
			}
		}
		err = tx.QueryRow(ctx, `INSERT INTO proposals (kind, object, office_id, payload, fingerprint, maker_id, reason, made_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id`,
			kind, object, officeID, doc, print, now.ID, reason, s.now()).Scan(&id)
		if violates(err, "one_waiting") {
			return ErrAlreadyWaiting
		}
		if err != nil {
			return fmt.Errorf("signing: propose: %w", err)
		}
		p := Proposal{ID: id}
		return event.Record(ctx, tx, actor(now.ID), "proposal.make", p.object(), reason, nil,
			map[string]any{"kind": kind, "object": object, "office": officeID, "fingerprint": print})
	})
	return id, err
}

// maySee refuses an office outside an account's territory.
func (s *Store) maySee(ctx context.Context, tx pgx.Tx, a *staff.Account, officeID int64) error {
	path, err := merchant.Locate(ctx, tx, "union", officeID)
	if err != nil {
		return err
	}
	if !a.Covers(path) {
		return merchant.ErrNotFound
	}
	return nil
}

// Decide approves or declines a proposal, by the rule in the package's comment.
// What is approved is carried out in the same transaction.
//
// merchant.ErrNotFound outside the checker's territory, *merchant.MoveError if it
// no longer waits, ErrOwnProposal, ErrNotYours, ErrStale, merchant.FieldErrors
// without a reason, and what the kind's Check and Apply refuse. The proposal's row lock
// keeps two checkers apart. After a deadlock, as with a merger of unions, it is done
// over once: a kind's Check and Apply leave nothing outside their transaction.
func (s *Store) Decide(ctx context.Context, checker *staff.Account, id int64, approve bool, reason string) error {
	if err := checkReason(reason); err != nil {
		return err
	}
	action := "decline"
	if approve {
		action = "approve"
	}
	return again(ctx, s.db, func(tx pgx.Tx) error {
		p, err := s.lock(ctx, tx, id)
		if err != nil {
			return err
		}
		now, err := accountNow(ctx, tx, checker.ID)
		if err != nil {
			return err
		}
		if !now.Covers(p.Path) {
			return merchant.ErrNotFound
		}
		to, err := p.move(action)
		if err != nil {
			return err
		}
		if err := mayDecide(ctx, tx, now, p); err != nil {
			return err
		}
		if approve {
			if err := s.carryOut(ctx, tx, now, p, reason); err != nil {
				return err
			}
		}
		return s.settle(ctx, tx, p, to, action, now.ID, reason)
	})
}

// carryOut holds a proposal against what it is about as that is now, and does
// what it proposes.
func (s *Store) carryOut(ctx context.Context, tx pgx.Tx, checker *staff.Account, p *Proposal, reason string) error {
	k, err := s.kind(p.Kind)
	if err != nil {
		return err
	}
	print, err := k.fingerprint(ctx, tx, p.Object, p.Payload)
	if err != nil {
		return err
	}
	if print != p.Fingerprint {
		return ErrStale
	}
	if k.Check != nil {
		if err := k.Check(ctx, tx, p.Object, p.Payload); err != nil {
			return err
		}
	}
	if k.Apply == nil {
		return nil
	}
	by := merchant.By{Actor: actor(checker.ID),
		Reason: fmt.Sprintf("%s（提请 %d，%d 号账号）；%s", p.Reason, p.ID, p.MakerID, reason)}
	return k.Apply(ctx, tx, by, p)
}

// settle writes what became of a proposal.
func (s *Store) settle(ctx context.Context, tx pgx.Tx, p *Proposal, to State, action string, who int64, reason string) error {
	_, err := tx.Exec(ctx, `UPDATE proposals SET state = $2, checker_id = $3, decision = $4, decided_at = $5 WHERE id = $1`,
		p.ID, to, who, reason, s.now())
	if err != nil {
		return fmt.Errorf("signing: %s: %w", action, err)
	}
	return event.Record(ctx, tx, actor(who), "proposal."+action, p.object(), reason,
		map[string]any{"state": p.State}, map[string]any{"state": to, "kind": p.Kind, "object": p.Object})
}

// Withdraw takes a waiting proposal back. Only its maker may, wherever they work
// now, as long as they could still make it: an auditor writes nothing. Errors and
// protection as Decide.
func (s *Store) Withdraw(ctx context.Context, maker *staff.Account, id int64, reason string) error {
	if err := checkReason(reason); err != nil {
		return err
	}
	return change(ctx, s.db, func(tx pgx.Tx) error {
		p, err := s.lock(ctx, tx, id)
		if err != nil {
			return err
		}
		if p.MakerID != maker.ID {
			if !maker.Covers(p.Path) {
				return merchant.ErrNotFound
			}
			return ErrNotYours
		}
		k, err := s.kind(p.Kind)
		if err != nil {
			return err
		}
		now, err := accountNow(ctx, tx, maker.ID)
		if err != nil {
			return err
		}
		if !now.May(k.Right) {
			return ErrNotYours
		}
		to, err := p.move("withdraw")
		if err != nil {
			return err
		}
		return s.settle(ctx, tx, p, to, "withdraw", maker.ID, reason)
	})
}

// Fresh reports whether what a waiting proposal is about is as its maker saw it.
// It changes nothing.
func (s *Store) Fresh(ctx context.Context, p *Proposal) (bool, error) {
	k, err := s.kind(p.Kind)
	if err != nil {
		return false, err
	}
	tx, err := s.db.Begin(ctx)
	if err != nil {
		return false, fmt.Errorf("signing: begin: %w", err)
	}
	print, err := k.fingerprint(ctx, tx, p.Object, p.Payload)
	if err := errors.Join(err, rollback(ctx, tx)); err != nil {
		return false, err
	}
	return print == p.Fingerprint, nil
}

// change runs f in a transaction of its own and commits it.
func change(ctx context.Context, db merchant.DB, f func(tx pgx.Tx) error) error {
	return merchant.InTx(ctx, db, "signing", f)
}

// again is change for a function that is safe to repeat after a deadlock.
func again(ctx context.Context, db merchant.DB, f func(tx pgx.Tx) error) error {
	return merchant.InTxAgain(ctx, db, "signing", f)
}

// rollbackTimeout bounds a rollback whose caller has gone away.
const rollbackTimeout = 5 * time.Second

func rollback(ctx context.Context, tx pgx.Tx) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
	defer cancel()
	if err := tx.Rollback(ctx); err != nil && !errors.Is(err, pgx.ErrTxClosed) {
		return fmt.Errorf("signing: roll back: %w", err)
	}
	return nil
}

// violates says whether err is PostgreSQL refusing by the named constraint.
func violates(err error, constraint string) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.ConstraintName == constraint
}
