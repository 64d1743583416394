package recon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card/sheet"
	"unioncard/card/union/event"
	"unioncard/merchant"
	"unioncard/settlement/ledger"
)

// How a file is held and how often it is tried.
const (
	lease    = 60 * time.Second
	beatAt   = 5 * time.Second // how often a lease is renewed
	poll     = 5 * time.Second
	maxTries = 5
)

// errLost: another node holds the file by now, or it is gone.
var errLost = errors.New("recon: the lease is lost")

// errNoWork: no file waits.
var errNoWork = errors.New("recon: nothing to do")

// Run does the work of files until ctx ends.
func (s *Store) Run(ctx context.Context) error {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		did, err := s.Work(ctx)
		if err != nil && ctx.Err() == nil {
			s.log.Error("reconciliation", "error", err)
		}
		if did && err == nil && ctx.Err() == nil {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.wake:
		case <-tick.C:
		}
	}
}

// held is a file that this node works on.
type held struct {
	id, caseID, merchantID int64
	token                  int64
	tries                  int
	by                     string
	bytes                  int64
	first, last            ledger.Day
	said                   *totals
	asked, remembered      Columns
	beaten                 time.Time
	part                   float64
}

// Work checks one file, if one waits or was left by a node that died. It reports
// whether there was one.
func (s *Store) Work(ctx context.Context) (did bool, err error) {
	h, err := s.claim(ctx)
	if errors.Is(err, errNoWork) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	t := &table{}
	if h.tries > maxTries {
		err = s.end(ctx, h, t, Broken, &sheet.Error{Code: "broken", Message: "试了几次都没有办完。请重新上传；仍不行请联系当地工会。"})
	} else {
		err = s.check(ctx, h, t)
	}
	if fault, ok := asFault(err); ok {
		err = s.end(ctx, h, t, Refused, fault)
	} else if errors.Is(err, errColumns) {
		err = s.ask(ctx, h, t)
	}
	if errors.Is(err, errLost) {
		return true, nil
	}
	if err != nil {
		return true, errors.Join(fmt.Errorf("recon: file %d: %w", h.id, err), s.release(ctx, h))
	}
	return true, nil
}

// claim takes a file that nobody holds. errNoWork.
func (s *Store) claim(ctx context.Context) (*held, error) {
	h := &held{beaten: time.Now()}
	var rows *int
	var fen *int64
	var asked, remembered []byte
	var first, last time.Time
	err := s.db.QueryRow(ctx, `WITH f AS (UPDATE recon_files SET token = token + 1, tries = tries + 1, lease_until = clock_timestamp() + $1, state = 'checking'
			WHERE id = (SELECT id FROM recon_files WHERE state IN ('queued', 'checking')
				AND (lease_until IS NULL OR lease_until < clock_timestamp()) ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)
			RETURNING id, reconciliation_id, token, tries, by, bytes, said_rows, said_fen, columns)
		SELECT f.id, r.id, r.merchant_id, f.token, f.tries, f.by, f.bytes, r.first_day, r.last_day, f.said_rows, f.said_fen, f.columns, l.columns
		FROM f JOIN reconciliations r ON r.id = f.reconciliation_id LEFT JOIN recon_layouts l ON l.merchant_id = r.merchant_id`, lease).
		Scan(&h.id, &h.caseID, &h.merchantID, &h.token, &h.tries, &h.by, &h.bytes, &first, &last, &rows, &fen, &asked, &remembered)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, errNoWork
	}
	if err != nil {
		return nil, fmt.Errorf("recon: claim: %w", err)
	}
	h.first, h.last = dayOf(first), dayOf(last)
	if rows != nil && fen != nil {
		h.said = &totals{*rows, *fen}
	}
	for _, c := range []struct {
		doc  []byte
		into *Columns
	}{{asked, &h.asked}, {remembered, &h.remembered}} {
		if c.doc != nil {
			if err := json.Unmarshal(c.doc, c.into); err != nil {
				return nil, fmt.Errorf("recon: claim: columns: %w", err)
			}
		}
	}
	return h, nil
}

// dayOf is a date as it comes from PostgreSQL.
func dayOf(date time.Time) ledger.Day { return ledger.Day(date.Unix() / 86400) }

// beat renews the lease when it is time, and says how far the file is read. errLost.
func (s *Store) beat(ctx context.Context, h *held) error {
	if time.Since(h.beaten) < beatAt {
		return nil
	}
	h.beaten = time.Now()
	return held1(s.db.QueryRow(ctx, `UPDATE recon_files SET lease_until = clock_timestamp() + $3, part_done = $4
		WHERE id = $1 AND token = $2 AND state = 'checking' RETURNING id`, h.id, h.token, lease, int16(min(max(h.part, 0), 1)*10000)))
}

// held1 turns a row that is not there into errLost.
func held1(row pgx.Row) error {
	var id int64
	err := row.Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		return errLost
	}
	if err != nil {
		return fmt.Errorf("recon: hold: %w", err)
	}
	return nil
}

// release gives up a lease, so that the next try need not wait for it to run out.
func (s *Store) release(ctx context.Context, h *held) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	_, err := s.db.Exec(ctx, `UPDATE recon_files SET lease_until = NULL WHERE id = $1 AND token = $2 AND state = 'checking'`, h.id, h.token)
	if err != nil {
		return fmt.Errorf("recon: release: %w", err)
	}
	return nil
}

// check reads a file, matches it and stores what it found. *sheet.Error for a file
// that is refused, errColumns.
func (s *Store) check(ctx context.Context, h *held, t *table) error {
	u := &upload{ctx: ctx, s: s, file: h.id, size: h.bytes, beat: func() error { return s.beat(ctx, h) }}
	in, err := sheet.Open(u, h.bytes, s.limits)
	if err != nil {
		return err
	}
	read, err := readTable(in, h.asked, h.remembered, h.first, h.last, h.said, func(part float64) error {
		h.part = part
		return s.beat(ctx, h)
	})
	if read != nil {
		*t = *read
	}
	if err != nil {
		return err
	}
	ours, err := s.purchases(ctx, s.db, h.merchantID, h.first, h.last, t.rows)
	if err != nil {
		return err
	}
	res := match(t.rows, ours)
	if fault := res.fault(len(t.rows)); fault != nil {
		return fault
	}
	return s.finish(ctx, h, t, res)
}

// few is how many rows may all be unknown without the file being refused: a merchant
// may have sold that many offline.
const few = 20

// fault is why what was found can't be about these sales, nil if it can.
func (r *result) fault(rows int) error {
	matched := r.by[byID] + r.by[byRef] + r.by[byLook]
	known := 0
	for i := range r.findings {
		if r.findings[i].row != nil && r.findings[i].purchase != nil {
			known++
		}
	}
	switch {
	case rows >= few && matched+known == 0:
		return &sheet.Error{Code: "nothing_matches", Message: fmt.Sprintf("文件里的 %d 笔，没有一笔对得上本系统这几天的记录。可能是别家商户或别的日期的文件，或者列认错了。请核对后再上传。", rows)}
	case len(r.findings) > MaxDifferences:
		return &sheet.Error{Code: "too_many", Message: fmt.Sprintf("对不上的有 %d 笔，太多了。请只导出使用会员卡优惠的交易，不要传全部收银流水；或者分成几段日期上传。", len(r.findings))}
	}
	return nil
}

// end ends a file that is refused or broken.
func (s *Store) end(ctx context.Context, h *held, t *table, state FileState, fault *sheet.Error) error {
	return merchant.InTx(ctx, s.db, "recon", func(tx pgx.Tx) error {
		err := held1(tx.QueryRow(ctx, `UPDATE recon_files SET state = $3, fault_code = $4, fault = $5, lease_until = NULL, checked_at = $6,
				format = $7, n_rows = $8, total_fen = $9
			WHERE id = $1 AND token = $2 AND state = 'checking' RETURNING id`, h.id, h.token, state, fault.Code, fault.Message, s.now(), t.format, len(t.rows), t.total))
		if err != nil {
			return err
		}
		if err := dropChunks(ctx, tx, h.id); err != nil {
			return err
		}
		return event.Record(ctx, tx, event.Actor(h.by), "recon.check", caseObject(h.caseID), "核对收银文件，没有收下", nil,
			map[string]any{"file": h.id, "fault_code": fault.Code, "rows": len(t.rows)})
	})
}

// ask ends a check that can't go on without being told which column is which.
func (s *Store) ask(ctx context.Context, h *held, t *table) error {
	heads := t.headings
	if heads == nil {
		heads = []string{}
	}
	return held1(s.db.QueryRow(ctx, `UPDATE recon_files SET state = 'asking', columns = NULL, headings = $3, format = $4, lease_until = NULL, tries = 0
		WHERE id = $1 AND token = $2 AND state = 'checking' RETURNING id`, h.id, h.token, heads, t.format))
}

func dropChunks(ctx context.Context, tx pgx.Tx, file int64) error {
	if _, err := tx.Exec(ctx, `DELETE FROM recon_chunks WHERE file_id = $1`, file); err != nil {
		return fmt.Errorf("recon: drop the upload: %w", err)
	}
	return nil
}
