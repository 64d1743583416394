package settlement

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"unioncard/card/union/event"
	"unioncard/merchant"
	"unioncard/merchant/application"
	"unioncard/settlement/ledger"
)

// MaxLines is how many merchants one payment holds; the others wait for the next.
const MaxLines = 20_000

// NewPayment says what a payment is to be made of: the confirmed and resolved
// statements of the merchants of an office, of these days (both included), and whatever
// has come back of others.
type NewPayment struct {
	OfficeID    int64
	From, Until ledger.Day
}

func (n *NewPayment) check() error {
	var bad merchant.FieldErrors
	if n.Until < n.From {
		bad.Add("until", "截止日期不能早于起始日期")
	}
	return bad.Err()
}

// Payable is what one merchant would get: the sum of its statements, above 0.
type Payable struct {
	MerchantID int64
	Merchant   string
	Fen        int64
	Statements int32
	Taken      int64 // of it taken off for what came back on other days
	NoAccount  bool  // no usable bank account is noted, so it is left out
}

// PaymentPreview is what a payment would be.
type PaymentPreview struct {
	Lines   []Payable // that would be paid
	Fen     int64     // their sum
	Left    []Payable // left out for want of a bank account
	More    int       // merchants beyond MaxLines
	Waiting int64     // statements of these days that are not confirmed yet, or disputed
}

// payable is the condition of a statement s that goes into a payment for the days $2
// to $3: of these days, and of any other what has come back, or a merchant would be
// paid more than it is owed by leaving a day out.
const payable = ` (s.business_day BETWEEN $2 AND $3 OR s.due_fen < 0)
	  AND s.state IN ('confirmed', 'resolved') AND s.payment_id IS NULL AND s.due_fen <> 0 `

// payableSQL is what merchants of an office $1 are to be paid for the days $2 to $3.
const payableSQL = `SELECT s.merchant_id, m.name, sum(s.due_fen)::bigint, count(*)::integer,
		-coalesce(sum(s.due_fen) FILTER (WHERE s.business_day NOT BETWEEN $2 AND $3), 0)::bigint
	FROM statements s JOIN merchants m ON m.id = s.merchant_id
	WHERE m.office_id = $1 AND` + payable + `GROUP BY 1, 2 HAVING sum(s.due_fen) > 0 ORDER BY 1`

// PreviewPayment says what MakePayment would make now. merchant.FieldErrors.
func (s *Store) PreviewPayment(ctx context.Context, n NewPayment) (*PaymentPreview, error) {
	if err := n.check(); err != nil {
		return nil, err
	}
	var out *PaymentPreview
	err := s.change(ctx, func(tx pgx.Tx) (err error) {
		if out, _, err = s.preview(ctx, tx, n); err != nil {
			return err
		}
		return tx.QueryRow(ctx, `SELECT count(*) FROM statements s JOIN merchants m ON m.id = s.merchant_id
			WHERE m.office_id = $1 AND s.business_day BETWEEN $2 AND $3 AND s.state IN ('closed', 'disputed') AND s.due_fen <> 0`,
			n.OfficeID, n.From.Date(), n.Until.Date()).Scan(&out.Waiting)
	})
	if err != nil {
		return nil, fmt.Errorf("settlement.PreviewPayment: %w", err)
	}
	return out, nil
}

// preview also returns the accounts of the lines.
func (s *Store) preview(ctx context.Context, tx pgx.Tx, n NewPayment) (*PaymentPreview, []application.Bank, error) {
	if s.opt.Details == nil {
		return nil, nil, errors.New("settlement: no store of bank accounts")
	}
	rows, err := tx.Query(ctx, payableSQL, n.OfficeID, n.From.Date(), n.Until.Date())
	if err != nil {
		return nil, nil, fmt.Errorf("payable: %w", err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (p Payable, err error) {
		return p, row.Scan(&p.MerchantID, &p.Merchant, &p.Fen, &p.Statements, &p.Taken)
	})
	if err != nil {
		return nil, nil, fmt.Errorf("payable: %w", err)
	}
	out, accounts := &PaymentPreview{}, []application.Bank(nil)
	details := application.New(application.Options{DB: tx, Vault: s.opt.Details.Vault, Clock: s.opt.Clock})
	for i, p := range all {
		if len(out.Lines) == MaxLines {
			out.More = len(all) - i
			break
		}
		d, err := details.Details(ctx, p.MerchantID)
		if err != nil {
			return nil, nil, err
		}
		if d.Unreadable || !payableTo(d.Bank) {
			p.NoAccount = true
			out.Left = append(out.Left, p)
			continue
		}
		out.Lines = append(out.Lines, p)
		out.Fen += p.Fen
		accounts = append(accounts, d.Bank)
	}
	return out, accounts, nil
}

// MakePayment makes a draft of what is payable now and takes the statements in, so
// that no other payment can. It is to be proposed for sending then (KindSend).
// merchant.FieldErrors, ErrNothingToPay, merchant.ErrNotFound for an office that there
// is not. The statements' row locks keep two makers apart: the second finds them taken.
func (s *Store) MakePayment(ctx context.Context, by merchant.By, n NewPayment) (id int64, err error) {
	if err := n.check(); err != nil {
		return 0, err
	}
	err = merchant.InTxAgain(ctx, s.db, "settlement", func(tx pgx.Tx) error {
		id, err = s.makePayment(ctx, tx, by, n)
		return err
	})
	return id, err
}

func (s *Store) makePayment(ctx context.Context, tx pgx.Tx, by merchant.By, n NewPayment) (id int64, err error) {
	var known bool
	if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM unions WHERE id = $1)`, n.OfficeID).Scan(&known); err != nil {
		return 0, fmt.Errorf("settlement.MakePayment: %w", err)
	}
	if !known {
		return 0, merchant.ErrNotFound
	}
	// Whoever waited here for another maker reads below what that one left.
	_, err = tx.Exec(ctx, `SELECT FROM statements s JOIN merchants m ON m.id = s.merchant_id
		WHERE m.office_id = $1 AND`+payable+`ORDER BY s.merchant_id, s.business_day FOR NO KEY UPDATE OF s`, n.OfficeID, n.From.Date(), n.Until.Date())
	if err != nil {
		return 0, fmt.Errorf("settlement.MakePayment: lock: %w", err)
	}
	pre, accounts, err := s.preview(ctx, tx, n)
	if err != nil {
		return 0, err
	}
	if len(pre.Lines) == 0 {
		return 0, ErrNothingToPay
	}
	err = tx.QueryRow(ctx, `INSERT INTO payments (office_id, from_day, until_day, lines, fen, made_by, made_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id`,
		n.OfficeID, n.From.Date(), n.Until.Date(), len(pre.Lines), pre.Fen, string(by.Actor), s.now()).Scan(&id)
	if err != nil {
		return 0, fmt.Errorf("settlement.MakePayment: %w", err)
	}
	if err := s.putLines(ctx, tx, id, pre.Lines, accounts); err != nil {
		return 0, err
	}
	_, err = tx.Exec(ctx, `UPDATE statements s SET payment_id = $1, version = version + 1 FROM payment_lines l
		WHERE l.payment_id = $1 AND s.merchant_id = l.merchant_id AND`+payable, id, n.From.Date(), n.Until.Date())
	if err != nil {
		return 0, fmt.Errorf("settlement.MakePayment: take in: %w", err)
	}
	// What was confirmed, or taken by another maker, between the two statements.
	var differs bool
	err = tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM payment_lines l LEFT JOIN (
			SELECT merchant_id, count(*) AS n, sum(due_fen) AS fen FROM statements WHERE payment_id = $1 GROUP BY 1) AS s USING (merchant_id)
		WHERE l.payment_id = $1 AND (s.n IS DISTINCT FROM l.statements OR s.fen IS DISTINCT FROM l.fen))`, id).Scan(&differs)
	if err != nil {
		return 0, fmt.Errorf("settlement.MakePayment: take in: %w", err)
	}
	if differs {
		return 0, fmt.Errorf("settlement.MakePayment: %w", ErrChanged)
	}
	return id, event.Record(ctx, tx, by.Actor, "payment.make", paymentObject(id), by.Reason, nil,
		map[string]any{"office": n.OfficeID, "from": n.From.String(), "until": n.Until.String(), "lines": len(pre.Lines), "fen": pre.Fen})
}

// putLines writes the lines, each with its sealed account.
func (s *Store) putLines(ctx context.Context, tx pgx.Tx, id int64, lines []Payable, accounts []application.Bank) error {
	rows := make([][]any, len(lines))
	for i, l := range lines {
		no := int32(i + 1)
		sealed, err := s.sealBank(id, no, accounts[i])
		if err != nil {
			return err
		}
		doc, err := uuid.NewV7()
		if err != nil {
			return fmt.Errorf("settlement.MakePayment: %w", err)
		}
		rows[i] = []any{id, no, l.MerchantID, l.Fen, l.Statements, sealed, doc}
	}
	_, err := tx.CopyFrom(ctx, pgx.Identifier{"payment_lines"},
		[]string{"payment_id", "no", "merchant_id", "fen", "statements", "sealed", "doc"}, pgx.CopyFromRows(rows))
	if err != nil {
		return fmt.Errorf("settlement.MakePayment: lines: %w", err)
	}
	return nil
}
