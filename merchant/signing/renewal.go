package signing

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card/union/staff"
	"unioncard/merchant"
	"unioncard/merchant/draft"
	"unioncard/merchant/terms"
)

// reminders are how long before the end of a contract, and before the deadline of
// a renegotiation, its office is reminded, in days.
var (
	renewalDays       = []int32{60, 30, 7}
	renegotiationDays = []int32{15, 7, 1}
)

// Renew draws up the contract that follows another, from that one's end to until:
// a draft with the Terms copied into its own draft, which goes the same way as
// any. It returns the new contract's id. merchant.MoveError unless the old one is
// in force or suspended; merchant.FieldErrors if until is not after its end, or a
// renewal is there already. The merchant's row lock keeps two clerks apart.
func (c *Contracts) Renew(ctx context.Context, a *staff.Account, contract int64, until time.Time, reason string) (id int64, err error) {
	if err := checkReason(reason); err != nil {
		return 0, err
	}
	err = change(ctx, c.db, func(tx pgx.Tx) error {
		now, err := accountNow(ctx, tx, a.ID)
		if err != nil {
			return err
		}
		st := merchant.NewStore(tx, c.clock)
		old, err := st.Contract(ctx, contract)
		if err != nil {
			return err
		}
		if err := c.proposals.maySee(ctx, tx, now, old.OfficeID); err != nil {
			return err
		}
		if !now.May(staff.WriteContract) {
			return ErrNotYours
		}
		if old.Status != merchant.ContractActive && old.Status != merchant.ContractSuspended {
			return &merchant.MoveError{Object: contractObject(contract), From: string(old.Status), Action: "renew"}
		}
		var bad merchant.FieldErrors
		if !until.After(old.ValidUntil) {
			bad.Add("valid_until", "续签的截止日期应在原协议到期之后")
			return bad.Err()
		}
		by := merchant.By{Actor: actor(now.ID), Reason: reason}
		id, err = st.CreateContract(ctx, by, merchant.NewContract{
			MerchantID: old.MerchantID, OutletID: old.OutletID, OfficeID: old.OfficeID, Trade: old.Trade, Brand: old.Brand,
			ValidFrom: old.ValidUntil, ValidUntil: until, RefundTail: old.RefundUntil.Sub(old.ValidUntil), FloorClause: old.FloorClause})
		if err != nil {
			return err
		}
		var other int64 // looked for under the lock that CreateContract took
		err = tx.QueryRow(ctx, `SELECT coalesce(max(r.contract_id), 0) FROM renewals r JOIN contracts n ON n.id = r.contract_id
			WHERE r.follows = $1 AND n.status <> 'ended'`, contract).Scan(&other)
		if err != nil {
			return fmt.Errorf("signing: renewals: %w", err)
		}
		if other != 0 {
			bad.Add("valid_until", fmt.Sprintf("这份协议已经有续签协议（编号 %d），请在那一份上办理", other))
			return bad.Err()
		}
		if _, err := tx.Exec(ctx, `INSERT INTO renewals (contract_id, follows) VALUES ($1, $2)`, id, contract); err != nil {
			return fmt.Errorf("signing: renew: %w", err)
		}
		return c.copyTerms(ctx, tx, by, contract, id)
	})
	if err != nil {
		return 0, err
	}
	return id, nil
}

// copyTerms puts the last published Terms of one contract into another's draft.
func (c *Contracts) copyTerms(ctx context.Context, tx pgx.Tx, by merchant.By, from, to int64) error {
	versions, err := readVersions(ctx, tx, from)
	if err != nil || len(versions) == 0 {
		return err
	}
	_, err = draft.NewStore(tx, c.clock).Save(ctx, by, contractObject(to), versions[0].Terms, 0)
	return err
}

// TermsVersion is a published version of a contract's Terms.
type TermsVersion struct {
	Version     int32
	SHA256      string // in hex
	From, Until time.Time
	Terms       *terms.Terms
	By          string // the actor
	ByName      string // "" if no account
	At          time.Time
}

// Versions lists the published versions of a contract's Terms, the newest first.
func (c *Contracts) Versions(ctx context.Context, contract int64) ([]TermsVersion, error) {
	return readVersions(ctx, c.db, contract)
}

func readVersions(ctx context.Context, db merchant.DB, contract int64) ([]TermsVersion, error) {
	rows, err := db.Query(ctx, `SELECT t.version, encode(t.sha256, 'hex'), lower(t.effective), upper(t.effective), t.terms,
			t.published_by, coalesce(s.name, ''), t.published_at
		FROM contract_terms t LEFT JOIN staff s ON t.published_by = 'staff:' || s.id
		WHERE t.contract_id = $1 ORDER BY t.version DESC`, contract)
	if err != nil {
		return nil, fmt.Errorf("signing: versions: %w", err)
	}
	out, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (TermsVersion, error) {
		var v TermsVersion
		var until *time.Time
		var doc []byte
		err := row.Scan(&v.Version, &v.SHA256, &v.From, &until, &doc, &v.By, &v.ByName, &v.At)
		if err != nil {
			return v, err
		}
		v.Until = orZero(until)
		v.Terms, err = terms.Parse(doc)
		return v, err
	})
	if err != nil {
		return nil, fmt.Errorf("signing: versions: %w", err)
	}
	return out, nil
}

// Remind writes the reminders that are due, once each, and returns how many: of a
// contract 60, 30 and 7 days before its end unless a renewal is under way, and of
// a renegotiation 15, 7 and 1 days before its deadline unless it is resolved by
// then. After a time without service only the nearest one is written. The primary
// key keeps two nodes apart.
func (c *Contracts) Remind(ctx context.Context, now time.Time) (int64, error) {
	renewals, err := c.db.Exec(ctx, `INSERT INTO reminders (contract_id, kind, due, days, at)
		SELECT k.id, 'renewal', upper(k.valid), min(l.days), $1 FROM contracts k, unnest($2::int[]) AS l (days)
		WHERE k.status IN ('active', 'suspended') AND upper(k.valid) > $1
		AND upper(k.valid) <= $1 + make_interval(days => l.days)
		AND NOT EXISTS (SELECT FROM renewals r JOIN contracts n ON n.id = r.contract_id WHERE r.follows = k.id AND n.status <> 'ended')
		GROUP BY k.id ON CONFLICT DO NOTHING`, now, renewalDays)
	if err != nil {
		return 0, fmt.Errorf("signing: remind of renewals: %w", err)
	}
	others, err := c.db.Exec(ctx, `INSERT INTO reminders (contract_id, kind, due, days, at)
		SELECT k.id, 'renegotiation', r.deadline, min(l.days), $1
		FROM renegotiations r JOIN contracts k ON k.id = r.contract_id, unnest($2::int[]) AS l (days)
		WHERE k.status IN ('active', 'ending') AND r.deadline > $1 AND r.deadline <= $1 + make_interval(days => l.days)
		AND (r.resolved_at IS NULL OR r.resolved_at > r.deadline)
		GROUP BY k.id, r.deadline ON CONFLICT DO NOTHING`, now, renegotiationDays)
	if err != nil {
		return 0, fmt.Errorf("signing: remind of renegotiations: %w", err)
	}
	return renewals.RowsAffected() + others.RowsAffected(), nil
}

// Reminder is something to do before a moment.
type Reminder struct {
	ContractID int64
	Merchant   string
	Kind       string // "renewal", "renegotiation"
	Due        time.Time
}

// Reminders lists what an account's territory was reminded of and has still to do,
// the most urgent first.
func (c *Contracts) Reminders(ctx context.Context, path string, limit int) ([]Reminder, error) {
	rows, err := c.db.Query(ctx, `SELECT DISTINCT r.contract_id, m.name, r.kind, r.due
		FROM reminders r JOIN contracts k ON k.id = r.contract_id JOIN merchants m ON m.id = k.merchant_id
		JOIN unions u ON u.id = k.office_id
		WHERE starts_with(u.path, $1) AND r.due > $2 AND k.status IN ('active', 'suspended', 'ending') AND (
			r.kind = 'renewal' AND k.status <> 'ending' AND r.due = upper(k.valid) AND NOT EXISTS (SELECT FROM renewals n
				JOIN contracts f ON f.id = n.contract_id WHERE n.follows = k.id AND f.status <> 'ended')
			OR r.kind = 'renegotiation' AND EXISTS (SELECT FROM renegotiations g WHERE g.contract_id = k.id
				AND g.deadline = r.due AND (g.resolved_at IS NULL OR g.resolved_at > g.deadline)))
		ORDER BY r.due, r.contract_id LIMIT $3`, path, c.clock(), limit)
	if err != nil {
		return nil, fmt.Errorf("signing: reminders: %w", err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Reminder])
	if err != nil {
		return nil, fmt.Errorf("signing: reminders: %w", err)
	}
	return out, nil
}
