package settlement

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card/union/event"
	"unioncard/card/union/keyset"
	"unioncard/merchant"
	"unioncard/settlement/ledger"
)

// PaymentState is where a payment stands.
type PaymentState string

// The states of a payment, as stored. Done and dropped are final, but a bank may
// return a paid line of a payment that is done.
const (
	PaymentDraft   PaymentState = "draft"
	PaymentSent    PaymentState = "sent"
	PaymentDone    PaymentState = "done"
	PaymentDropped PaymentState = "dropped"
)

// paymentMoves is the state machine of a payment: send by an approval of the second
// person, answer by the last line that the bank answers.
var paymentMoves = map[PaymentState]map[string]PaymentState{
	PaymentDraft: {"send": PaymentSent, "drop": PaymentDropped},
	PaymentSent:  {"answer": PaymentDone},
}

func (p *Payment) next(action string) (PaymentState, error) {
	to, ok := paymentMoves[p.State][action]
	if !ok {
		return "", &merchant.MoveError{Object: paymentObject(p.ID), From: string(p.State), Action: action}
	}
	return to, nil
}

// Payment is a batch of an office.
type Payment struct {
	ID          int64
	OfficeID    int64
	Office      string
	Path        string     // of the office in the tree
	From, Until ledger.Day // of the statements, both included; what came back of other days is in it too
	State       PaymentState
	Lines       int64
	Fen         int64
	FileSHA256  []byte // of the bank file; nil before it is approved
	MadeBy      string
	MadeAt      time.Time
	SentBy      string
	SentAt      time.Time // zero before it is approved
	DoneAt      time.Time // zero before every line is answered
	Version     int64
	// What the bank has answered: lines and fen.
	Paid, Returned       int64
	PaidFen, ReturnedFen int64
}

// Number names a payment for people.
func (p *Payment) Number() string { return PaymentNumber(p.ID) }

// PaymentNumber names a payment for people.
func PaymentNumber(id int64) string { return "FK" + strconv.FormatInt(id, 10) }

const paymentColumns = `p.id, p.office_id, u.name, u.path, p.from_day - date '1970-01-01', p.until_day - date '1970-01-01',
	p.state, p.lines, p.fen, p.file_sha256, p.made_by, p.made_at, p.sent_by, coalesce(p.sent_at, 'epoch'),
	coalesce(p.done_at, 'epoch'), p.version, l.*`

const paymentFrom = ` FROM payments p JOIN unions u ON u.id = p.office_id CROSS JOIN LATERAL (
	SELECT count(*) FILTER (WHERE state = 'paid'), count(*) FILTER (WHERE state = 'returned'),
	       coalesce(sum(fen) FILTER (WHERE state = 'paid'), 0)::bigint, coalesce(sum(fen) FILTER (WHERE state = 'returned'), 0)::bigint
	FROM payment_lines WHERE payment_id = p.id) AS l `

func scanPayment(row pgx.CollectableRow) (p Payment, err error) {
	err = row.Scan(&p.ID, &p.OfficeID, &p.Office, &p.Path, &p.From, &p.Until, &p.State, &p.Lines, &p.Fen, &p.FileSHA256,
		&p.MadeBy, &p.MadeAt, &p.SentBy, &p.SentAt, &p.DoneAt, &p.Version, &p.Paid, &p.Returned, &p.PaidFen, &p.ReturnedFen)
	if p.SentAt.Unix() == 0 {
		p.SentAt = time.Time{}
	}
	if p.DoneAt.Unix() == 0 {
		p.DoneAt = time.Time{}
	}
	return p, err
}

// Payments lists the payments of the offices of a territory (the path of its union);
// state "" is all.
func (s *Store) Payments(ctx context.Context, scope string, state PaymentState, p keyset.Page) ([]Payment, error) {
	where, order, args := p.Clause(nil, "p.id", scope, string(state))
	return s.payments(ctx, `starts_with(u.path, $1) AND $2 IN ('', p.state) AND `+where+order, args...)
}

// Payment reads one. merchant.ErrNotFound.
func (s *Store) Payment(ctx context.Context, id int64) (*Payment, error) {
	list, err := s.payments(ctx, `p.id = $1`, id)
	if err == nil && len(list) == 0 {
		err = merchant.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	return &list[0], nil
}

func (s *Store) payments(ctx context.Context, where string, args ...any) ([]Payment, error) {
	rows, err := s.db.Query(ctx, `SELECT `+paymentColumns+paymentFrom+` WHERE `+where, args...)
	if err != nil {
		return nil, fmt.Errorf("settlement: payments: %w", err)
	}
	list, err := pgx.CollectRows(rows, scanPayment)
	if err != nil {
		return nil, fmt.Errorf("settlement: payments: %w", err)
	}
	return list, nil
}

// LineState is where a payment's line stands.
type LineState string

// The states of a line, as stored.
const (
	LineWaiting  LineState = "waiting"
	LinePaid     LineState = "paid"
	LineReturned LineState = "returned"
)

// PaymentLine is what one merchant gets with a payment. Its account is not here: only
// the bank file has it.
type PaymentLine struct {
	No         int32
	MerchantID int64
	Merchant   string
	Fen        int64
	Statements int32
	State      LineState
	BankRef    string
	Note       string // why the bank returned it
	AnsweredAt time.Time
}

// Lines lists the lines of a payment after a number, in their order, at most limit.
func (s *Store) Lines(ctx context.Context, paymentID int64, after int32, limit int) ([]PaymentLine, error) {
	rows, err := s.db.Query(ctx, `SELECT l.no, l.merchant_id, m.name, l.fen, l.statements, l.state, l.bank_ref, l.note,
			coalesce(l.answered_at, 'epoch')
		FROM payment_lines l JOIN merchants m ON m.id = l.merchant_id
		WHERE l.payment_id = $1 AND l.no > $2 ORDER BY l.no LIMIT $3`, paymentID, after, limit)
	if err != nil {
		return nil, fmt.Errorf("settlement.Lines: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[PaymentLine])
	if err != nil {
		return nil, fmt.Errorf("settlement.Lines: %w", err)
	}
	return list, nil
}

// lockPayment locks a payment of a version (0: of any). merchant.ErrNotFound,
// ErrChanged.
func lockPayment(ctx context.Context, tx pgx.Tx, id, version int64) (*Payment, error) {
	p := Payment{ID: id}
	err := tx.QueryRow(ctx, `SELECT office_id, from_day - date '1970-01-01', until_day - date '1970-01-01', state, lines, fen,
		file_sha256, version FROM payments WHERE id = $1 FOR NO KEY UPDATE`, id).
		Scan(&p.OfficeID, &p.From, &p.Until, &p.State, &p.Lines, &p.Fen, &p.FileSHA256, &p.Version)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, merchant.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("settlement: lock payment: %w", err)
	}
	if version != 0 && version != p.Version {
		return nil, ErrChanged
	}
	return &p, nil
}

// DropPayment gives a draft up; its statements are free for another. Errors as
// Confirm. The payment's row lock keeps it apart from an approval.
func (s *Store) DropPayment(ctx context.Context, by merchant.By, id, version int64) error {
	return s.change(ctx, func(tx pgx.Tx) error {
		p, err := lockPayment(ctx, tx, id, version)
		if err != nil {
			return err
		}
		to, err := p.next("drop")
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE payments SET state = $2, version = version + 1 WHERE id = $1`, id, string(to)); err != nil {
			return fmt.Errorf("settlement.DropPayment: %w", err)
		}
		_, err = tx.Exec(ctx, `UPDATE statements SET payment_id = NULL, version = version + 1 WHERE payment_id = $1`, id)
		if err != nil {
			return fmt.Errorf("settlement.DropPayment: %w", err)
		}
		return event.Record(ctx, tx, by.Actor, "payment.drop", paymentObject(id), by.Reason,
			map[string]any{"state": p.State}, map[string]any{"state": to})
	})
}

// File gives the bank file of an approved payment: CSV in UTF-8, its control totals
// (count and sum) in its last line, and the SHA-256 of it all. It is the same bytes
// each time. by says who took it out and why. merchant.ErrNotFound, ErrNotSent.
func (s *Store) File(ctx context.Context, by merchant.By, id int64) (file []byte, sum [sha256.Size]byte, err error) {
	err = s.change(ctx, func(tx pgx.Tx) error {
		p, err := lockPayment(ctx, tx, id, 0)
		if err != nil {
			return err
		}
		if p.FileSHA256 == nil {
			return ErrNotSent
		}
		if file, err = s.bankFile(ctx, tx, p); err != nil {
			return err
		}
		if sum = sha256.Sum256(file); string(sum[:]) != string(p.FileSHA256) {
			return fmt.Errorf("settlement.File: payment %d is not what was approved", id)
		}
		return event.Record(ctx, tx, by.Actor, "payment.file", paymentObject(id), by.Reason, nil,
			map[string]any{"lines": p.Lines, "fen": p.Fen, "sha256": fmt.Sprintf("%x", sum)})
	})
	if err != nil {
		return nil, [sha256.Size]byte{}, err
	}
	return file, sum, nil
}
