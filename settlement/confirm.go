package settlement

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"unioncard/card/union/event"
	"unioncard/merchant"
	"unioncard/merchant/account"
)

// system is the actor of what the service does by itself.
const system = "system"

// Confirm says that a statement is right: by the merchant, or by staff for it. It is
// payable then. merchantID is whose it must be, 0 for a caller that has found it in its
// territory; version is what was seen. merchant.ErrNotFound, ErrChanged,
// *merchant.MoveError. The statement's row lock keeps two apart.
func (s *Store) Confirm(ctx context.Context, by merchant.By, merchantID, id, version int64) error {
	return s.change(ctx, func(tx pgx.Tx) error {
		st, err := lockStatement(ctx, tx, merchantID, id, version)
		if err != nil {
			return err
		}
		return s.settle(ctx, tx, by, st, actConfirm)
	})
}

// Dispute says that a statement is wrong; by.Reason is what the merchant says, which
// the office reads. It is not paid until it is resolved. Errors as Confirm, and
// merchant.FieldErrors for a reason that is blank or too long.
func (s *Store) Dispute(ctx context.Context, by merchant.By, merchantID, id, version int64) error {
	if err := checkText("reason", "请写明哪里不对，工会要据此核查", by.Reason); err != nil {
		return err
	}
	return s.change(ctx, func(tx pgx.Tx) error {
		st, err := lockStatement(ctx, tx, merchantID, id, version)
		if err != nil {
			return err
		}
		if err := s.settle(ctx, tx, by, st, actDispute); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO statement_disputes (statement_id, merchant_id, business_day, reason, opened_by, opened_at)
			SELECT id, merchant_id, business_day, $2, $3, $4 FROM statements WHERE id = $1`, id, by.Reason, string(by.Actor), s.now())
		if err != nil {
			return fmt.Errorf("settlement.Dispute: %w", err)
		}
		return nil
	})
}

// Resolution answers a dispute.
type Resolution struct {
	Accepted bool
	Answer   string // read by the merchant
}

// Resolve answers a dispute without moving money; the statement is payable then, as it
// stands. Money moves by a proposal (KindAdjust), which two people make. Errors as
// Dispute.
func (s *Store) Resolve(ctx context.Context, by merchant.By, id, version int64, r Resolution) error {
	if err := checkText("answer", "请写明核查结果，商家看得到", r.Answer); err != nil {
		return err
	}
	return s.change(ctx, func(tx pgx.Tx) error {
		st, err := lockStatement(ctx, tx, 0, id, version)
		if err != nil {
			return err
		}
		return s.answer(ctx, tx, by, st, r, 0)
	})
}

// answer resolves a locked statement.
func (s *Store) answer(ctx context.Context, tx pgx.Tx, by merchant.By, st *locked, r Resolution, adjustment int64) error {
	if err := s.settle(ctx, tx, by, st, actResolve); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `UPDATE statement_disputes SET accepted = $2, answer = $3, answered_by = $4, answered_at = $5,
		adjustment = nullif($6::bigint, 0) WHERE statement_id = $1 AND accepted IS NULL`,
		st.id, r.Accepted, r.Answer, string(by.Actor), s.now(), adjustment)
	if err != nil {
		return fmt.Errorf("settlement: answer dispute: %w", err)
	}
	return account.Notify(ctx, tx, st.merchant, account.Notice{Kind: "statement.resolved", For: account.Money,
		Text: "工会答复了您对一张结算单的申诉，请打开查看。", URL: fmt.Sprintf("/portal/statements/%d", st.id)})
}

// Disputes lists the disputes of a statement, oldest first.
func (s *Store) Disputes(ctx context.Context, statementID int64) ([]Dispute, error) {
	rows, err := s.db.Query(ctx, `SELECT id, statement_id, merchant_id, business_day - date '1970-01-01', reason, opened_by,
			opened_at, accepted IS NULL, coalesce(accepted, false), answer, answered_by, coalesce(answered_at, 'epoch'),
			coalesce(adjustment, 0)
		FROM statement_disputes WHERE statement_id = $1 ORDER BY id`, statementID)
	if err != nil {
		return nil, fmt.Errorf("settlement.Disputes: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Dispute])
	if err != nil {
		return nil, fmt.Errorf("settlement.Disputes: %w", err)
	}
	return list, nil
}

// locked is what a move needs of a statement.
type locked struct {
	id, merchant int64
	state        State
	payment      int64
}

// lockStatement locks a statement of a version (0: of any). merchant.ErrNotFound,
// ErrChanged.
func lockStatement(ctx context.Context, tx pgx.Tx, merchantID, id, version int64) (*locked, error) {
	st := locked{id: id}
	var now int64
	err := tx.QueryRow(ctx, `SELECT merchant_id, state, version, coalesce(payment_id, 0) FROM statements
		WHERE id = $1 AND ($2::bigint = 0 OR merchant_id = $2) FOR NO KEY UPDATE`, id, merchantID).Scan(&st.merchant, &st.state, &now, &st.payment)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, merchant.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("settlement: lock statement: %w", err)
	}
	if version != 0 && version != now {
		return nil, ErrChanged
	}
	return &st, nil
}

// settle makes a move of a locked statement.
func (s *Store) settle(ctx context.Context, tx pgx.Tx, by merchant.By, st *locked, action string) error {
	to, err := next(st.id, st.state, action)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `UPDATE statements SET state = $3, version = version + 1,
			settled_at = CASE WHEN $3 IN ('confirmed', 'resolved') THEN $4 ELSE settled_at END,
			settled_by = CASE WHEN $3 IN ('confirmed', 'resolved') THEN $5 ELSE settled_by END
		WHERE id = $1 AND merchant_id = $2`, st.id, st.merchant, string(to), s.now(), string(by.Actor))
	if err != nil {
		return fmt.Errorf("settlement: %s: %w", action, err)
	}
	return event.Record(ctx, tx, by.Actor, "statement."+action, statementObject(st.id), by.Reason,
		map[string]any{"state": st.state}, map[string]any{"state": to})
}

// confirmChunk is how many statements are confirmed by themselves in one transaction.
const confirmChunk = 1000

// ConfirmDue confirms the statements whose term is over without a word of the
// merchant, and returns how many. Harmless on any number of nodes: each takes rows
// that no other has locked. It is nobody's act and leaves no event, but settled_by.
func (s *Store) ConfirmDue(ctx context.Context) (done int64, err error) {
	for {
		tag, err := s.db.Exec(ctx, `WITH due AS (
				SELECT merchant_id, business_day FROM statements
				WHERE state = 'closed' AND confirm_by < (now() AT TIME ZONE 'Asia/Shanghai')::date
				ORDER BY confirm_by LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED)
			UPDATE statements s SET state = 'confirmed', settled_at = now(), settled_by = $2, version = version + 1
			FROM due WHERE s.merchant_id = due.merchant_id AND s.business_day = due.business_day`, confirmChunk, system)
		if err != nil {
			return done, fmt.Errorf("settlement.ConfirmDue: %w", err)
		}
		done += tag.RowsAffected()
		if tag.RowsAffected() < confirmChunk {
			return done, nil
		}
	}
}

// checkText refuses a blank or overlong text of a form's field.
func checkText(field, blank, text string) error {
	var bad merchant.FieldErrors
	switch n := utf8.RuneCountInString(text); {
	case strings.TrimSpace(text) == "":
		bad.Add(field, blank)
	case n > maxReason:
		bad.Add(field, fmt.Sprintf("最多 %d 个字，现在有 %d 个", maxReason, n))
	}
	return bad.Err()
}
