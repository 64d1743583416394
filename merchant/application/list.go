package application

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card/union/keyset"
	"unioncard/merchant"
)

// Filter is what a list is narrowed to; zero values narrow nothing.
type Filter struct {
	Text      string // part of the number, code, name or brand
	Stage     merchant.Stage
	Trade     merchant.Trade
	Territory int32 // of the office: a city takes in its counties
	Source    Source
}

// Row is an application in a list; no personal value is in it.
type Row struct {
	ID                     int64
	Number, Name, Brand    string
	Code                   string
	Trade                  merchant.Trade
	Office                 string
	Stage                  merchant.Stage
	Source                 Source
	Outlets                int
	CreatedAt, SubmittedAt time.Time // SubmittedAt zero: not yet
	UpdatedAt              time.Time
}

// shown leaves out what an applicant has not sent yet.
const shown = `NOT (a.source = 'public' AND a.submitted_at IS NULL)`

// List lists the applications of a territory (the path of its union).
func (s *Store) List(ctx context.Context, scope string, f Filter, p keyset.Page) ([]Row, error) {
	where, order, args := p.Clause(map[string]string{"id": "a.id", "updated": "a.updated_at", "name": "a.legal_name"}, "a.id",
		scope, string(f.Stage), string(f.Trade), f.Territory, string(f.Source), keyset.Like(f.Text), f.Text)
	rows, err := s.DB.Query(ctx, `SELECT a.id, a.number, a.legal_name, a.brand, a.code, a.trade, u.name, a.status, a.source,
			(SELECT count(*) FROM application_outlets o WHERE o.application_id = a.id), a.created_at,
			coalesce(a.submitted_at, 'epoch'), a.updated_at
		FROM applications a JOIN unions u ON u.id = a.office_id
		WHERE u.path LIKE $1 || '%' AND `+shown+`
		AND ($2 = '' OR a.status = $2) AND ($3 = '' OR a.trade = $3) AND ($5 = '' OR a.source = $5)
		AND ($4 = 0 OR starts_with(u.path, (SELECT path FROM unions WHERE division = $4)))
		AND ($7 = '' OR a.number ILIKE $6 OR a.code ILIKE $6 OR a.legal_name ILIKE $6 OR a.brand ILIKE $6)
		AND `+where+order, args...)
	if err != nil {
		return nil, fmt.Errorf("application.List: %w", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (r Row, err error) {
		err = row.Scan(&r.ID, &r.Number, &r.Name, &r.Brand, &r.Code, &r.Trade, &r.Office, &r.Stage, &r.Source, &r.Outlets,
			&r.CreatedAt, &r.SubmittedAt, &r.UpdatedAt)
		if r.SubmittedAt.Equal(time.Unix(0, 0)) {
			r.SubmittedAt = time.Time{}
		}
		return r, err
	})
	if err != nil {
		return nil, fmt.Errorf("application.List: %w", err)
	}
	return list, nil
}

// Waiting counts what an office has to do: submitted ones to be taken, those in
// review, and of these or the negotiated ones how many have lain for over a week.
type Waiting struct{ Submitted, InReview, Old int }

// Waiting counts what waits in one office itself, not below it.
func (s *Store) Waiting(ctx context.Context, officeID int64) (w Waiting, err error) {
	const week = 7 * 24 * time.Hour
	err = s.DB.QueryRow(ctx, `SELECT count(*) FILTER (WHERE status = 'submitted'), count(*) FILTER (WHERE status = 'in_review'),
		count(*) FILTER (WHERE updated_at < $2) FROM applications
		WHERE office_id = $1 AND status IN ('submitted', 'in_review')`, officeID, s.Clock().Add(-week)).
		Scan(&w.Submitted, &w.InReview, &w.Old)
	if err != nil {
		return w, fmt.Errorf("application.Waiting: %w", err)
	}
	return w, nil
}

// DraftLife is how long a public draft that was never sent is kept, personal
// values and all.
const DraftLife = 7 * 24 * time.Hour

// Prune deletes drafts of the public form that nobody sent within a week, with
// their files' rows, and returns how many. The drafts' row locks keep it apart
// from somebody who sends one just then.
func (s *Store) Prune(ctx context.Context) (n int64, err error) {
	err = s.change(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `SELECT id FROM applications WHERE source = 'public' AND submitted_at IS NULL
			AND updated_at < $1 ORDER BY id LIMIT 1000 FOR UPDATE SKIP LOCKED`, s.Clock().Add(-DraftLife))
		if err != nil {
			return err
		}
		ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM files WHERE object_kind = 'application' AND object_id = ANY ($1)`, ids); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, `DELETE FROM applications WHERE id = ANY ($1)`, ids)
		n = tag.RowsAffected()
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("application.Prune: %w", err)
	}
	return n, nil
}

// Mask shows the first three and last two characters of a phone or account.
func Mask(s string) string {
	r := []rune(s)
	if len(r) < 7 {
		return strings.Repeat("*", len(r))
	}
	return string(r[:3]) + strings.Repeat("*", len(r)-5) + string(r[len(r)-2:])
}
