package territory

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card/union"
	"unioncard/merchant"
)

// Plan is what a merger would do, for the person who is to confirm it.
type Plan struct {
	union.Merger
	// Counts is how much would move, in the order of Count's lines.
	Counts []Count
	// Lost are the Terms that stand against it; Gained those whose discounts reach
	// more members by it.
	Lost, Gained []TermsAt
	// Refused is what stands against it besides, in Chinese, "" if nothing does.
	Refused string
}

// Count is one line of what moves.
type Count struct {
	What string // in Chinese
	N    int64
}

// Plan looks ahead, without a lock. union.ErrNotFound; what the rules of the tree
// refuse is in Refused.
func (s *Store) Plan(ctx context.Context, from, into int64) (*Plan, error) {
	m, err := union.Merging(ctx, s.db, from, into)
	if errors.Is(err, union.ErrNotFound) {
		return nil, err
	}
	var bad merchant.FieldErrors
	if err != nil {
		if !errors.As(inForm(err, "into", "into"), &bad) {
			return nil, err
		}
		p := &Plan{Refused: bad.On("into")}
		for id, u := range map[int64]*union.Union{from: &p.From, into: &p.Into} {
			found, err := union.Get(ctx, s.db, id)
			if err != nil {
				return nil, err
			}
			*u = *found
		}
		return p, nil
	}
	p := &Plan{Merger: *m}
	if err := checkUnfinished(ctx, s.db, from); errors.As(err, &bad) {
		p.Refused = bad.On("into")
	} else if err != nil {
		return nil, err
	}
	if p.Lost, p.Gained, err = s.shift(ctx, s.db, m); err != nil {
		return nil, err
	}
	p.Counts, err = s.count(ctx, m)
	return p, err
}

func (s *Store) count(ctx context.Context, m *union.Merger) ([]Count, error) {
	changed := []int64{m.From.ID}
	for _, b := range m.Below {
		if b.FromTerritory != b.ToTerritory {
			changed = append(changed, b.ID)
		}
	}
	counts := []Count{{What: "下级工会", N: int64(len(m.Below))}}
	for _, c := range []struct {
		what, sql string
		args      []any
		skip      bool
	}{
		{"直接登记的会员", `SELECT count(*) FROM members WHERE union_id = $1 AND status IN (1, 3)`, []any{m.From.ID}, false},
		{"换到新地区的会员卡", `SELECT count(*) FROM members m JOIN live_cards l ON l.member_id = m.id WHERE m.union_id = ANY ($1)`, []any{changed}, !m.Changes()},
		{"人员账号", `SELECT count(*) FROM staff WHERE union_id = $1 AND NOT disabled`, []any{m.From.ID}, false},
		{"商家", `SELECT count(*) FROM merchants WHERE office_id = $1`, []any{m.From.ID}, false},
		{"协议", `SELECT count(*) FROM contracts WHERE office_id = $1 AND status <> 'ended'`, []any{m.From.ID}, false},
		{"门店（所在地改名）", `SELECT count(*) FROM outlets WHERE territory = $1 AND status <> 'closed'`, []any{m.From.Territory}, m.From.Division == 0},
		{"入网申请", `SELECT count(*) FROM applications WHERE office_id = $1 AND status NOT IN ('ended', 'rejected')`, []any{m.From.ID}, false},
		{"等待审批的提请", `SELECT count(*) FROM proposals WHERE office_id = $1 AND state = 'waiting'`, []any{m.From.ID}, false},
	} {
		if c.skip {
			continue
		}
		line := Count{What: c.what}
		if err := s.db.QueryRow(ctx, c.sql, c.args...).Scan(&line.N); err != nil {
			return nil, fmt.Errorf("territory: count: %w", err)
		}
		counts = append(counts, line)
	}
	return counts, nil
}

// Merged is a merger that has happened.
type Merged struct {
	UnionID, IntoID int64
	Union, Into     string // the names now
	Below           int64  // unions that moved with it
	By, Reason      string
	At              time.Time
}

// Mergers lists the mergers that a union had part in, the latest first.
func (s *Store) Mergers(ctx context.Context, id int64) ([]Merged, error) {
	rows, err := s.db.Query(ctx, `SELECT g.union_id, g.into_id, f.name, t.name, g.below, g.by, g.reason, g.at
		FROM union_mergers g JOIN unions f ON f.id = g.union_id JOIN unions t ON t.id = g.into_id
		WHERE $1 IN (g.union_id, g.into_id) ORDER BY g.id DESC`, id)
	if err != nil {
		return nil, fmt.Errorf("territory: mergers: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Merged])
	if err != nil {
		return nil, fmt.Errorf("territory: mergers: %w", err)
	}
	return found, nil
}
