package application

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card/union/event"
	"unioncard/merchant"
	"unioncard/merchant/file"
)

// Review reads what the office works on: checklist, visits and files.
func (s *Store) Review(ctx context.Context, a *Application) (*Review, error) {
	return s.review(ctx, s.DB, a)
}

func (s *Store) review(ctx context.Context, db querier, a *Application) (*Review, error) {
	ticks, err := ticks(ctx, db, a.ID)
	if err != nil {
		return nil, err
	}
	visits, err := visits(ctx, db, a.ID)
	if err != nil {
		return nil, err
	}
	var files []file.File
	if tx, ok := db.(pgx.Tx); ok {
		files, err = s.Files.ListTx(ctx, tx, a.Object())
	} else {
		files, err = s.Files.List(ctx, a.Object())
	}
	if err != nil {
		return nil, err
	}
	return review(a.Doc.Trade, ticks, visits, files), nil
}

func ticks(ctx context.Context, db querier, id int64) ([]Tick, error) {
	rows, err := db.Query(ctx, `SELECT c.item, c.ticked_by, coalesce(s.name, c.ticked_by), c.ticked_at
		FROM application_checks c LEFT JOIN staff s ON c.ticked_by = 'staff:' || s.id WHERE c.application_id = $1`, id)
	if err != nil {
		return nil, fmt.Errorf("application: ticks: %w", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (t Tick, err error) {
		return t, row.Scan(&t.Item, &t.By, &t.Who, &t.At)
	})
	if err != nil {
		return nil, fmt.Errorf("application: ticks: %w", err)
	}
	return list, nil
}

func visits(ctx context.Context, db querier, id int64) ([]Visit, error) {
	rows, err := db.Query(ctx, `SELECT v.id, v.visited_on, v.note, v.noted_by, coalesce(s.name, v.noted_by), v.noted_at
		FROM application_visits v LEFT JOIN staff s ON v.noted_by = 'staff:' || s.id
		WHERE v.application_id = $1 ORDER BY v.visited_on, v.id`, id)
	if err != nil {
		return nil, fmt.Errorf("application: visits: %w", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (v Visit, err error) {
		err = row.Scan(&v.ID, &v.On, &v.Note, &v.By, &v.Who, &v.At)
		v.PhotosOf = FileVisit + fmt.Sprint(v.ID)
		return v, err
	})
	if err != nil {
		return nil, fmt.Errorf("application: visits: %w", err)
	}
	return list, nil
}

// reviewing refuses work on an application that is not in review.
func (a *Application) reviewing(action string) error {
	if a.Stage != merchant.StageInReview {
		return &merchant.MoveError{Object: a.Object(), From: string(a.Stage), Action: action}
	}
	return nil
}

// Tick notes that an item of the checklist is in order, or takes that back. It
// holds for the version that was seen: ConflictError. merchant.FieldErrors if
// something must be there first or there is no such item, MoveError outside the
// review. The application's row lock protects it.
func (s *Store) Tick(ctx context.Context, by merchant.By, id, version int64, item string, on bool) error {
	return s.change(ctx, func(tx pgx.Tx) error {
		a, err := s.lockAt(ctx, tx, id, version)
		if err != nil {
			return err
		}
		if err := a.reviewing("tick"); err != nil {
			return err
		}
		r, err := s.review(ctx, tx, a)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(r.Checks, func(c Checked) bool { return c.Name == item })
		var e merchant.FieldErrors
		switch {
		case i < 0:
			e.Add("item", "核对清单里没有这一项。")
			return e
		case on && r.Checks[i].Wanting != "":
			e.Add("item", r.Checks[i].Wanting)
			return e
		case on == (r.Checks[i].Tick != nil):
			return nil
		}
		action, sql := "application.tick", `INSERT INTO application_checks (application_id, item, ticked_by) VALUES ($1, $2, $3)`
		args := []any{id, item, by.Actor}
		if !on {
			action, sql, args = "application.untick", `DELETE FROM application_checks WHERE application_id = $1 AND item = $2`, args[:2]
		}
		if _, err := tx.Exec(ctx, sql, args...); err != nil {
			return fmt.Errorf("application: tick: %w", err)
		}
		return event.Record(ctx, tx, by.Actor, action, a.Object(), by.Reason, nil, map[string]any{"item": item})
	})
}

func dropTicks(ctx context.Context, tx pgx.Tx, id int64, items []string) error {
	if _, err := tx.Exec(ctx, `DELETE FROM application_checks WHERE application_id = $1 AND item = ANY ($2)`, id, items); err != nil {
		return fmt.Errorf("application: drop ticks: %w", err)
	}
	return nil
}

// AddVisit notes a visit on site with its photos. merchant.FieldErrors for a day
// to come, one more than a year ago, or an empty note; MoveError outside the
// review.
func (s *Store) AddVisit(ctx context.Context, by merchant.By, id int64, on time.Time, note string, photos []*file.Clean) error {
	var e merchant.FieldErrors
	today := s.Clock().In(beijing)
	switch {
	case on.IsZero():
		e.Add("visited_on", "请填写走访日期。")
	case on.After(today):
		e.Add("visited_on", "走访日期不能晚于今天。")
	case on.Before(today.AddDate(-1, 0, 0)):
		e.Add("visited_on", "走访日期在一年以前，请重新走访。")
	}
	note = strings.TrimSpace(note)
	text(&e, "note", note, maxNote, true, "请写下看到了什么，如招牌、营业情况、与谁见面。")
	if err := e.Err(); err != nil {
		return err
	}
	return s.change(ctx, func(tx pgx.Tx) error {
		a, err := s.lock(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := a.reviewing("visit"); err != nil {
			return err
		}
		var visit int64
		err = tx.QueryRow(ctx, `INSERT INTO application_visits (application_id, visited_on, note, noted_by)
			VALUES ($1, $2::date, $3, $4) RETURNING id`, id, on.Format(time.DateOnly), note, by.Actor).Scan(&visit)
		if err != nil {
			return fmt.Errorf("application: visit: %w", err)
		}
		for _, p := range photos {
			if _, err := s.Files.PutClean(ctx, tx, by, a.Object(), FileVisit+fmt.Sprint(visit), p); err != nil {
				return err
			}
		}
		return event.Record(ctx, tx, by.Actor, "application.visit", a.Object(), by.Reason, nil,
			map[string]any{"visit": visit, "on": on.Format(time.DateOnly), "photos": len(photos)})
	})
}

// AddFile stores a checked file of a kind that the trade's applicants may add.
// MoveError if the document may not be changed any more.
func (s *Store) AddFile(ctx context.Context, by merchant.By, id int64, kind string, c *file.Clean, applicant bool) error {
	return s.change(ctx, func(tx pgx.Tx) error {
		a, err := s.lock(ctx, tx, id)
		if err != nil {
			return err
		}
		if !a.Editable(applicant) {
			return &merchant.MoveError{Object: a.Object(), From: string(a.Stage), Action: "add file"}
		}
		if !slices.ContainsFunc(FileKinds(a.Doc.Trade), func(k FileKind) bool { return k.Kind == kind }) {
			var e merchant.FieldErrors
			e.Add("kind", "请选择这是什么材料。")
			return e
		}
		_, err = s.Files.PutClean(ctx, tx, by, a.Object(), kind, c)
		return err
	})
}

// RemoveFile hides a file; the ticks that rest on its kind fall. A visit's photos
// stay. merchant.ErrNotFound, MoveError.
func (s *Store) RemoveFile(ctx context.Context, by merchant.By, id, fileID int64, applicant bool) error {
	return s.change(ctx, func(tx pgx.Tx) error {
		a, err := s.lock(ctx, tx, id)
		if err != nil {
			return err
		}
		if !a.Editable(applicant) {
			return &merchant.MoveError{Object: a.Object(), From: string(a.Stage), Action: "remove file"}
		}
		files, err := s.Files.ListTx(ctx, tx, a.Object())
		if err != nil {
			return err
		}
		i := slices.IndexFunc(files, func(f file.File) bool { return f.ID == fileID })
		if i < 0 || strings.HasPrefix(files[i].Kind, FileVisit) {
			return merchant.ErrNotFound
		}
		var fallen []string
		for _, item := range Checklist(a.Doc.Trade) {
			if item.File == files[i].Kind {
				fallen = append(fallen, item.Name)
			}
		}
		if err := dropTicks(ctx, tx, id, fallen); err != nil {
			return err
		}
		return s.Files.Remove(ctx, tx, by, a.Object(), fileID)
	})
}
