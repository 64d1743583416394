package settlement

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"

	"unioncard/card/union/staff"
	"unioncard/merchant"
	"unioncard/merchant/signing"
)

// The kinds of proposals of this package.
const (
	// KindSend sends a payment: its object is "payment:12", its payload SendPayload.
	KindSend = "payment.send"
	// KindAdjust posts an adjustment, and resolves the dispute that it answers: its
	// object is "statement:12", its payload AdjustPayload.
	KindAdjust = "statement.adjust"
)

// SendPayload is what the checker is shown of a payment.
type SendPayload struct {
	Payment int64  `json:"payment"`
	Lines   int64  `json:"lines"`
	Fen     int64  `json:"fen"`
	From    string `json:"from"`
	Until   string `json:"until"`
}

// SendPayload is the payload of a proposal to send a payment.
func (p *Payment) SendPayload() SendPayload {
	return SendPayload{p.ID, p.Lines, p.Fen, p.From.String(), p.Until.String()}
}

// AdjustPayload is what is to be posted beside a statement, on the day of the approval.
type AdjustPayload struct {
	// Fen above 0 is owed to the merchant.
	Fen   int64  `json:"fen"`
	Cause string `json:"cause"` // "dispute" or "compensation"
	// Answer is what the merchant reads, in the statement and beneath its dispute.
	Answer string `json:"answer"`
}

// Kinds are the proposals of this package, for signing.Options.
func (s *Store) Kinds() []signing.Kind {
	return []signing.Kind{
		{Name: KindSend, Title: "付款", Right: staff.WriteMoney, Fingerprint: s.sendPrint, Check: s.sendCheck, Apply: s.send},
		{Name: KindAdjust, Title: "调整结算", Right: staff.WriteMoney, Fingerprint: s.adjustPrint, Check: s.adjustCheck, Apply: s.adjust},
	}
}

// proposed reads the payment that a proposal is about, in the transaction.
func proposed(ctx context.Context, tx pgx.Tx, object string) (*Payment, error) {
	id, ok := signing.ObjectID(object, "payment")
	if !ok {
		return nil, merchant.ErrNotFound
	}
	return lockPayment(ctx, tx, id, 0)
}

func (s *Store) sendPrint(ctx context.Context, tx pgx.Tx, object string, _ json.RawMessage) (string, error) {
	p, err := proposed(ctx, tx, object)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s version %d: %d lines, %d fen", object, p.Version, p.Lines, p.Fen), nil
}

func (s *Store) sendCheck(ctx context.Context, tx pgx.Tx, object string, payload json.RawMessage) error {
	p, err := proposed(ctx, tx, object)
	if err != nil {
		return err
	}
	var said SendPayload
	if err := json.Unmarshal(payload, &said); err != nil {
		return fmt.Errorf("settlement: payload: %w", err)
	}
	if said != p.SendPayload() {
		return signing.ErrStale
	}
	_, err = p.next("send")
	return err
}

// send approves a payment: its bank file is fixed by its SHA-256.
func (s *Store) send(ctx context.Context, tx pgx.Tx, by merchant.By, pr *signing.Proposal) error {
	p, err := proposed(ctx, tx, pr.Object)
	if err != nil {
		return err
	}
	to, err := p.next("send")
	if err != nil {
		return err
	}
	file, err := s.bankFile(ctx, tx, p)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(file)
	_, err = tx.Exec(ctx, `UPDATE payments SET state = $2, file_sha256 = $3, sent_by = $4, sent_at = $5, version = version + 1 WHERE id = $1`,
		p.ID, string(to), sum[:], string(by.Actor), s.now())
	if err != nil {
		return fmt.Errorf("settlement: send: %w", err)
	}
	return recordPayment(ctx, tx, by, "payment.send", p.ID, p.State, to, map[string]any{"lines": p.Lines, "fen": p.Fen, "sha256": fmt.Sprintf("%x", sum)})
}

// subject reads the statement that a proposal is about, locked.
func subject(ctx context.Context, tx pgx.Tx, object string) (*locked, error) {
	id, ok := signing.ObjectID(object, "statement")
	if !ok {
		return nil, merchant.ErrNotFound
	}
	return lockStatement(ctx, tx, 0, id, 0)
}

func (s *Store) adjustPrint(ctx context.Context, tx pgx.Tx, object string, _ json.RawMessage) (string, error) {
	st, err := subject(ctx, tx, object)
	if err != nil {
		return "", err
	}
	var posted int64 // a second proposal after the first was carried out is another matter
	err = tx.QueryRow(ctx, `SELECT count(*) FROM statement_disputes WHERE statement_id = $1 AND adjustment IS NOT NULL`, st.id).Scan(&posted)
	if err != nil {
		return "", fmt.Errorf("settlement: disputes: %w", err)
	}
	disputed := st.state == StateDisputed
	return fmt.Sprintf("%s disputed %v, adjusted %d", object, disputed, posted), nil
}

func (s *Store) adjustCheck(_ context.Context, _ pgx.Tx, _ string, payload json.RawMessage) error {
	var a AdjustPayload
	if err := json.Unmarshal(payload, &a); err != nil {
		return fmt.Errorf("settlement: payload: %w", err)
	}
	p := Posting{Fen: a.Fen, Reason: a.Answer, Cause: a.Cause}
	return p.check()
}

// adjust posts what was approved and resolves the dispute that it answers, if any.
func (s *Store) adjust(ctx context.Context, tx pgx.Tx, by merchant.By, pr *signing.Proposal) error {
	var a AdjustPayload
	if err := pr.Decode(&a); err != nil {
		return err
	}
	st, err := subject(ctx, tx, pr.Object)
	if err != nil {
		return err
	}
	id, err := Adjust(ctx, tx, by, Posting{MerchantID: st.merchant, OfficeID: pr.OfficeID, Fen: a.Fen, Cause: a.Cause, Reason: a.Answer})
	if err != nil || st.state != StateDisputed {
		return err
	}
	return s.answer(ctx, tx, by, st, Resolution{Accepted: true, Answer: a.Answer}, id)
}
