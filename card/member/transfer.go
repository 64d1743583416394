package member

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card"
	"unioncard/card/union"
	"unioncard/card/union/event"
	"unioncard/card/union/keyset"
)

// TransferWindow is how long the releasing union has to answer. Without an answer
// the transfer goes through by itself: a worker's membership follows the worker,
// and no office can hold it back by being silent.
const TransferWindow = 15 * 24 * time.Hour

// TransferState is where a transfer stands.
type TransferState string

// The states; all but requested are final.
const (
	Requested TransferState = "requested"
	Done      TransferState = "done"
	Declined  TransferState = "declined"
	Withdrawn TransferState = "withdrawn"
	Void      TransferState = "void" // the member left, or the receiving union takes no members any more
)

// End is one of the two unions of a transfer.
type End struct {
	UnionID    int64
	Name, Path string
}

// Transfer is a member on the way between two unions, as both see it.
type Transfer struct {
	ID          int64
	MemberID    int64
	Member      string // masked name
	From, To    End
	State       TransferState
	RequestedBy string // actor
	RequestedAt time.Time
	Reason      string
	DueAt       time.Time // when it goes through without an answer
	DecidedBy   string
	DecidedAt   time.Time // zero while requested
	Answer      string
}

// ErrDecided: the transfer has been decided already.
var ErrDecided = errors.New("member: the transfer has been decided")

// systemActor carries out what nobody answered.
const systemActor = "system:transfers"

// RequestTransfer asks, for the receiving union, that a member moves there, and
// returns the transfer's id. ErrUnion, ErrHere, ErrMoving, *MoveError for who left
// (Rejoin). The member's row lock protects it, and a unique index backs it up.
func (s *Store) RequestTransfer(ctx context.Context, by card.By, memberID, toUnion int64) (id int64, err error) {
	err = card.InTx(ctx, s.db, func(tx pgx.Tx) error {
		id, err = s.requestTx(ctx, tx, by, memberID, toUnion)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("member.RequestTransfer: %w", err)
	}
	return id, nil
}

func (s *Store) requestTx(ctx context.Context, tx pgx.Tx, by card.By, memberID, toUnion int64) (id int64, err error) {
	if err := union.Hold(ctx, tx); err != nil {
		return 0, err
	}
	if _, err := takesMembers(ctx, tx, toUnion); err != nil {
		return 0, err
	}
	m, err := locked(ctx, tx, memberID)
	if err != nil {
		return 0, err
	}
	switch _, err := m.Status.Next(ActionTransfer); {
	case err != nil:
		return 0, err
	case m.UnionID == toUnion:
		return 0, ErrHere
	case m.Transfer != 0:
		return 0, ErrMoving
	}
	now := s.clock()
	// The members of a roster ask without the row's being read first: the unique
	// index decides.
	err = tx.QueryRow(ctx, `INSERT INTO member_transfers (member_id, from_union, to_union, state, requested_by, requested_at, reason, due_at)
		VALUES ($1, $2, $3, 'requested', $4, $5, $6, $7) ON CONFLICT (member_id) WHERE state = 'requested' DO NOTHING RETURNING id`,
		memberID, m.UnionID, toUnion, by.Actor, now, by.Reason, now.Add(TransferWindow)).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, ErrMoving
	}
	if err != nil {
		return 0, err
	}
	return id, recordTransfer(ctx, tx, by, "transfer_request", id, memberID, m.UnionID, toUnion)
}

// recordTransfer writes the event of a transfer's step.
func recordTransfer(ctx context.Context, tx pgx.Tx, by card.By, step string, id, memberID, from, to int64) error {
	return event.Record(ctx, tx, by.Actor, "member."+step, fmt.Sprintf("member:%d", memberID), by.Reason,
		map[string]any{"union": from}, map[string]any{"union": to, "transfer": id})
}

// RequestTransfers asks, in the caller's transaction, that members move to a union,
// as an applied roster does. Whoever is there already, has left, or has an open
// transfer is passed over; it returns how many were asked for. The members' row
// locks protect it, taken in the order of their ids. The caller has held the tree
// (union.Hold) from before its first row lock on.
func (s *Store) RequestTransfers(ctx context.Context, tx pgx.Tx, by card.By, memberIDs []int64, toUnion int64) (int64, error) {
	if _, err := takesMembers(ctx, tx, toUnion); err != nil {
		return 0, fmt.Errorf("member.RequestTransfers: %w", err)
	}
	now := s.clock()
	tag, err := tx.Exec(ctx, `WITH moving AS (SELECT id, union_id FROM members
			WHERE id = ANY($1) AND union_id <> $2 AND status IN (1, 3) ORDER BY id FOR UPDATE),
		asked AS (INSERT INTO member_transfers (member_id, from_union, to_union, state, requested_by, requested_at, reason, due_at)
			SELECT id, union_id, $2, 'requested', $3, $4, $5, $6 FROM moving
			ON CONFLICT (member_id) WHERE state = 'requested' DO NOTHING RETURNING id, member_id, from_union)
		INSERT INTO events (actor, action, object_kind, object_id, reason, before, after)
			SELECT $3, 'member.transfer_request', 'member', member_id::text, $5,
				jsonb_build_object('union', from_union), jsonb_build_object('union', $2::bigint, 'transfer', id) FROM asked`,
		memberIDs, toUnion, by.Actor, now, by.Reason, now.Add(TransferWindow))
	if err != nil {
		return 0, fmt.Errorf("member.RequestTransfers: %w", err)
	}
	return tag.RowsAffected(), nil
}

// TransferNow moves a member at once, for an account whose territory holds both
// unions. An open transfer to the same union is carried out; to another one it is
// refused with ErrMoving. Errors as RequestTransfer's.
func (s *Store) TransferNow(ctx context.Context, by card.By, memberID, toUnion int64) error {
	err := card.InTx(ctx, s.db, func(tx pgx.Tx) error {
		id, err := s.requestTx(ctx, tx, by, memberID, toUnion)
		if errors.Is(err, ErrMoving) {
			var to int64
			err = tx.QueryRow(ctx, `SELECT id, to_union FROM member_transfers WHERE member_id = $1 AND state = 'requested'`,
				memberID).Scan(&id, &to)
			if err == nil && to != toUnion {
				err = ErrMoving
			}
		}
		if err != nil {
			return err
		}
		return s.decideTx(ctx, tx, by, id, Done)
	})
	if err != nil {
		return fmt.Errorf("member.TransferNow: %w", err)
	}
	return nil
}

// DecideTransfer is the releasing union's answer: the member moves, with the card,
// or stays for by.Reason. ErrNotFound, ErrDecided, ErrUnion if the receiving union
// takes no members any more. The member's row lock protects it.
func (s *Store) DecideTransfer(ctx context.Context, by card.By, id int64, agree bool) error {
	state := Declined
	if agree {
		state = Done
	}
	return s.decide(ctx, "DecideTransfer", by, id, state)
}

// WithdrawTransfer is the receiving union's: it no longer asks. Errors as
// DecideTransfer's.
func (s *Store) WithdrawTransfer(ctx context.Context, by card.By, id int64) error {
	return s.decide(ctx, "WithdrawTransfer", by, id, Withdrawn)
}

func (s *Store) decide(ctx context.Context, call string, by card.By, id int64, state TransferState) error {
	err := card.InTx(ctx, s.db, func(tx pgx.Tx) error { return s.decideTx(ctx, tx, by, id, state) })
	if err != nil {
		return fmt.Errorf("member.%s: %w", call, err)
	}
	return nil
}

func (s *Store) decideTx(ctx context.Context, tx pgx.Tx, by card.By, id int64, state TransferState) error {
	var memberID, from, to int64
	// Only a merger changes the unions of a transfer, so that while the tree is held
	// they can be read before the locks are taken, in the one order: union, member,
	// transfer, card.
	if err := union.Hold(ctx, tx); err != nil {
		return err
	}
	err := tx.QueryRow(ctx, `SELECT member_id, from_union, to_union FROM member_transfers WHERE id = $1`, id).Scan(&memberID, &from, &to)
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrNotFound
	}
	if err != nil {
		return err
	}
	if state == Done {
		if _, err := takesMembers(ctx, tx, to); err != nil {
			return err
		}
	}
	if _, err := locked(ctx, tx, memberID); err != nil {
		return err
	}
	tag, err := tx.Exec(ctx, `UPDATE member_transfers SET state = $2, decided_by = $3, decided_at = $4, answer = $5
		WHERE id = $1 AND state = 'requested'`, id, state, by.Actor, s.clock(), by.Reason)
	if err != nil {
		return err
	}
	if tag.RowsAffected() == 0 {
		return ErrDecided
	}
	if state != Done {
		step := map[TransferState]string{Declined: "transfer_decline", Withdrawn: "transfer_withdraw", Void: "transfer_void"}[state]
		return recordTransfer(ctx, tx, by, step, id, memberID, from, to)
	}
	if _, err := tx.Exec(ctx, `UPDATE members SET union_id = $2, version = version + 1 WHERE id = $1`, memberID, to); err != nil {
		return err
	}
	if err := refreshCard(ctx, tx, by, memberID); err != nil {
		return err
	}
	return recordTransfer(ctx, tx, by, string(ActionTransfer), id, memberID, from, to)
}

// void ends the open transfer of a locked member, if there is one.
func (s *Store) void(ctx context.Context, tx pgx.Tx, by card.By, memberID int64) error {
	var id, from, to int64
	err := tx.QueryRow(ctx, `UPDATE member_transfers SET state = 'void', decided_by = $2, decided_at = $3, answer = $4
		WHERE member_id = $1 AND state = 'requested' RETURNING id, from_union, to_union`,
		memberID, by.Actor, s.clock(), by.Reason).Scan(&id, &from, &to)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	return recordTransfer(ctx, tx, by, "transfer_void", id, memberID, from, to)
}

// SettleTransfers carries out the transfers that nobody answered in time, and
// voids those whose receiving union takes no members any more. It returns how many
// it settled. Two nodes at once do it harmlessly: a transfer is decided once.
func (s *Store) SettleTransfers(ctx context.Context) (settled int64, err error) {
	const most = 1000 // a turn; the next one goes on
	rows, err := s.db.Query(ctx, `SELECT id FROM member_transfers WHERE state = 'requested' AND due_at <= $1
		ORDER BY due_at, id LIMIT $2`, s.clock(), most)
	if err != nil {
		return 0, fmt.Errorf("member.SettleTransfers: %w", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return 0, fmt.Errorf("member.SettleTransfers: %w", err)
	}
	var errs []error
	for _, id := range ids {
		err := s.decide(ctx, "SettleTransfers", card.By{Actor: systemActor, Reason: "原工会15天内未答复，自动转接"}, id, Done)
		if errors.Is(err, ErrUnion) {
			err = s.decide(ctx, "SettleTransfers", card.By{Actor: systemActor, Reason: "接收工会已不再接收会员"}, id, Void)
		}
		switch {
		case err == nil:
			settled++
		case errors.Is(err, ErrDecided): // another node was quicker, or a clerk
		case ctx.Err() != nil:
			return settled, err
		default: // one that can't be settled must not stop the others
			errs = append(errs, fmt.Errorf("transfer %d: %w", id, err))
		}
	}
	return settled, errors.Join(errs...)
}

const transferSQL = `SELECT t.id, t.member_id, m.name_masked, f.id, f.name, f.path, o.id, o.name, o.path, t.state, t.requested_by,
	t.requested_at, t.reason, t.due_at, coalesce(t.decided_by, ''), t.decided_at, t.answer
	FROM member_transfers t JOIN members m ON m.id = t.member_id
	JOIN unions f ON f.id = t.from_union JOIN unions o ON o.id = t.to_union `

func scanTransfer(row pgx.CollectableRow) (t Transfer, err error) {
	var decided *time.Time
	err = row.Scan(&t.ID, &t.MemberID, &t.Member, &t.From.UnionID, &t.From.Name, &t.From.Path, &t.To.UnionID, &t.To.Name, &t.To.Path,
		&t.State, &t.RequestedBy, &t.RequestedAt, &t.Reason, &t.DueAt, &t.DecidedBy, &decided, &t.Answer)
	if decided != nil {
		t.DecidedAt = *decided
	}
	return t, err
}

// GetTransfer reads a transfer; ErrNotFound.
func (s *Store) GetTransfer(ctx context.Context, id int64) (Transfer, error) {
	rows, err := s.db.Query(ctx, transferSQL+`WHERE t.id = $1`, id)
	if err != nil {
		return Transfer{}, fmt.Errorf("member.GetTransfer: %w", err)
	}
	t, err := pgx.CollectExactlyOneRow(rows, scanTransfer)
	if errors.Is(err, pgx.ErrNoRows) {
		return Transfer{}, ErrNotFound
	}
	if err != nil {
		return Transfer{}, fmt.Errorf("member.GetTransfer: %w", err)
	}
	return t, nil
}

// TransferFilter narrows Transfers; zero values ask for nothing.
type TransferFilter struct {
	MemberID int64
	State    TransferState
	// Side: "in" for those towards the territory, "out" for those away from it.
	Side string
}

// Transfers is one page of the transfers that have at least one of their unions at
// or below that of a path, ordered by "id".
func (s *Store) Transfers(ctx context.Context, path string, f TransferFilter, page keyset.Page) ([]Transfer, error) {
	page.Sort = "id"
	if f.MemberID == 0 {
		own, err := s.fewUnions(ctx, path)
		if err != nil {
			return nil, fmt.Errorf("member.Transfers: %w", err)
		}
		if own != nil {
			return s.transfersOf(ctx, own, f, page)
		}
	}
	where, order, args := page.Clause(map[string]string{"id": "t.id"}, "t.id", path, f.MemberID, f.State, f.Side)
	rows, err := s.db.Query(ctx, transferSQL+`WHERE (f.path LIKE $1 || '%' AND $4 <> 'in' OR o.path LIKE $1 || '%' AND $4 <> 'out')
		AND ($2::bigint = 0 OR t.member_id = $2) AND ($3 = '' OR t.state = $3) AND `+where+order, args...)
	if err != nil {
		return nil, fmt.Errorf("member.Transfers: %w", err)
	}
	out, err := pgx.CollectRows(rows, scanTransfer)
	if err != nil {
		return nil, fmt.Errorf("member.Transfers: %w", err)
	}
	return out, nil
}
