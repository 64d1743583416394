package recon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"unioncard/card/union/keyset"
	"unioncard/merchant"
	"unioncard/settlement/ledger"
)

// Difference is one difference, for a page.
type Difference struct {
	ID                       int64
	MerchantID, CaseID       int64
	Merchant, Office, Outlet string // names
	OfficeID                 int64
	First, Last              ledger.Day // of the reconciliation
	Kind                     Kind
	Why                      Why
	State                    State
	RowNo                    int
	PurchaseID               uuid.UUID // uuid.Nil without
	Their                    Sums
	TheirRef, TheirID        string
	TheirAt                  time.Time
	TheirLast4               int // -1 without
	Our                      Sums
	OurRef                   string
	OurAt                    time.Time
	OurDay                   ledger.Day
	OurLast4                 int
	PurchaseState            int16 // as purchases.state, 0 without a purchase
	Note, NotedBy            string
	NotedAt                  time.Time
	BookedFen                int64
	Reason, SettledBy        string
	SettledAt                time.Time
	Version                  int64
	FoundAt                  time.Time // when the file that has it was checked
	Proposal                 int64     // that waits, 0 without
}

// Undone reports whether the purchase has been voided, reversed or refunded whole.
func (d *Difference) Undone() bool {
	return d.PurchaseState == 2 || d.PurchaseState == 3 || d.PurchaseState == 5
}

// Refund reports whether it is about money given back, which is there already: nothing
// is left to be undone at a till.
func (d *Difference) Refund() bool { return d.Our.Fen < 0 }

const differenceColumns = `d.id, d.merchant_id, d.reconciliation_id, m.name, u.name, coalesce(o.name, ''), m.office_id,
	r.first_day - date '1970-01-01', r.last_day - date '1970-01-01', d.kind, d.why, d.state, d.row_no, d.purchase_id,
	d.their_fen, d.their_discount_fen, d.their_paid_fen, d.their_ref, d.their_id, d.their_at, coalesce(d.their_last4, -1),
	d.our_fen, d.our_discount_fen, d.our_ref, d.our_at, coalesce(d.our_day - date '1970-01-01', 0), coalesce(d.our_last4, -1),
	coalesce(p.state, 0)::smallint, d.note, d.noted_by, d.noted_at, d.booked_fen, d.reason, d.settled_by, d.settled_at, d.version,
	coalesce(f.checked_at, f.created_at),
	coalesce((SELECT id FROM proposals WHERE kind = 'difference.accept' AND object = 'difference:' || d.id AND state = 'waiting'), 0)`

const differenceFrom = ` FROM recon_differences d JOIN merchants m ON m.id = d.merchant_id JOIN unions u ON u.id = m.office_id
	JOIN reconciliations r ON r.id = d.reconciliation_id JOIN recon_files f ON f.id = d.file_id LEFT JOIN outlets o ON o.id = d.outlet_id
	LEFT JOIN purchases p ON p.merchant_id = d.merchant_id AND p.id = d.purchase_id `

func scanDifference(row pgx.CollectableRow) (d Difference, err error) {
	var id *uuid.UUID
	var fen, discount, paid, ourFen, ourDiscount *int64
	var theirAt, ourAt, noted, settled *time.Time
	err = row.Scan(&d.ID, &d.MerchantID, &d.CaseID, &d.Merchant, &d.Office, &d.Outlet, &d.OfficeID, &d.First, &d.Last, &d.Kind, &d.Why, &d.State,
		&d.RowNo, &id, &fen, &discount, &paid, &d.TheirRef, &d.TheirID, &theirAt, &d.TheirLast4, &ourFen, &ourDiscount, &d.OurRef, &ourAt, &d.OurDay,
		&d.OurLast4, &d.PurchaseState, &d.Note, &d.NotedBy, &noted, &d.BookedFen, &d.Reason, &d.SettledBy, &settled, &d.Version, &d.FoundAt, &d.Proposal)
	if err != nil {
		return d, err
	}
	if id != nil {
		d.PurchaseID = *id
	}
	for _, v := range []struct {
		from *int64
		into *int64
		sums *Sums
		has  Has
	}{{fen, &d.Their.Fen, &d.Their, HasFen}, {discount, &d.Their.Discount, &d.Their, HasDiscount}, {paid, &d.Their.Paid, &d.Their, HasPaid},
		{ourFen, &d.Our.Fen, &d.Our, HasFen}, {ourDiscount, &d.Our.Discount, &d.Our, HasDiscount}} {
		if v.from != nil {
			*v.into = *v.from
			v.sums.Has |= v.has
		}
	}
	if d.Our.Has == HasFen|HasDiscount {
		d.Our.Paid, d.Our.Has = d.Our.Fen-d.Our.Discount, hasAll
	}
	for _, v := range []struct {
		from *time.Time
		into *time.Time
	}{{theirAt, &d.TheirAt}, {ourAt, &d.OurAt}, {noted, &d.NotedAt}, {settled, &d.SettledAt}} {
		if v.from != nil {
			*v.into = *v.from
		}
	}
	return d, nil
}

// Filter is what a list of differences is narrowed to; zero values narrow nothing.
type Filter struct {
	Merchant, Case int64
	Text           string // a difference's number, or part of the merchant's name
	Kind           Kind
	State          State
	Day            ledger.Day // of the reconciliation
}

// Differences lists the differences of the merchants of a territory (the path of its
// union, "" for all). Those of dropped reconciliations are left out.
func (s *Store) Differences(ctx context.Context, scope string, f Filter, p keyset.Page) ([]Difference, error) {
	args := []any{}
	add := func(v any) string { args = append(args, v); return "$" + strconv.Itoa(len(args)) }
	cond := `r.dropped_at IS NULL`
	if scope != "" {
		cond += ` AND starts_with(u.path, ` + add(scope) + `)`
	}
	if f.Merchant != 0 {
		cond += ` AND d.merchant_id = ` + add(f.Merchant)
	}
	if f.Case != 0 {
		cond += ` AND d.reconciliation_id = ` + add(f.Case)
	}
	if f.Kind != "" {
		cond += ` AND d.kind = ` + add(string(f.Kind))
	}
	if f.State != "" {
		cond += ` AND d.state = ` + add(string(f.State))
	}
	if f.Day != 0 {
		cond += ` AND ` + add(f.Day.Date()) + `::date BETWEEN r.first_day AND r.last_day`
	}
	if id, err := strconv.ParseInt(f.Text, 10, 64); err == nil {
		cond += ` AND d.id = ` + add(id)
	} else if f.Text != "" {
		cond += ` AND m.name ILIKE ` + add(keyset.Like(f.Text))
	}
	where, order, args := p.Clause(map[string]string{"id": "d.id"}, "d.id", args...)
	rows, err := s.db.Query(ctx, `SELECT `+differenceColumns+differenceFrom+` WHERE `+cond+` AND `+where+order, args...)
	if err != nil {
		return nil, fmt.Errorf("recon.Differences: %w", err)
	}
	list, err := pgx.CollectRows(rows, scanDifference)
	if err != nil {
		return nil, fmt.Errorf("recon.Differences: %w", err)
	}
	return list, nil
}

// Get reads a difference. merchantID is whose it must be, 0 for a caller that has found
// it in its territory. merchant.ErrNotFound.
func (s *Store) Get(ctx context.Context, merchantID, id int64) (*Difference, error) {
	rows, err := s.db.Query(ctx, `SELECT `+differenceColumns+differenceFrom+` WHERE d.id = $1 AND ($2::bigint = 0 OR d.merchant_id = $2) AND r.dropped_at IS NULL`, id, merchantID)
	if err != nil {
		return nil, fmt.Errorf("recon.Get: %w", err)
	}
	d, err := pgx.CollectExactlyOneRow(rows, scanDifference)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, merchant.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("recon.Get: %w", err)
	}
	return &d, nil
}

// File is one version of a reconciliation's file.
type File struct {
	ID, CaseID       int64
	Version          int
	State            FileState
	Name, By, Format string
	Bytes            int64
	CreatedAt        time.Time
	CheckedAt        time.Time
	SaidRows         int // -1: not typed
	SaidFen          int64
	Columns          Columns
	Headings         []string
	Part             float64 // read so far, 0 to 1
	Rows             int
	TotalFen         int64
	ByID, ByRef      int // rows that agree, by what they were matched
	ByLook           int
	Ours             int // purchases of the days
	Found            int // differences
	FaultCode, Fault string
}

// Matched is how many rows agree.
func (f *File) Matched() int { return f.ByID + f.ByRef + f.ByLook }

const fileColumns = `f.id, f.reconciliation_id, f.version, f.state, f.name, f.by, f.format, f.bytes, f.created_at, f.checked_at,
	coalesce(f.said_rows, -1), coalesce(f.said_fen, 0), f.columns, f.headings, f.part_done / 10000.0::float8, f.n_rows, f.total_fen,
	f.n_by_id, f.n_by_ref, f.n_by_look, f.n_ours, f.n_differences, f.fault_code, f.fault`

func scanFile(row pgx.CollectableRow) (f File, err error) {
	var checked *time.Time
	var cols []byte
	err = row.Scan(&f.ID, &f.CaseID, &f.Version, &f.State, &f.Name, &f.By, &f.Format, &f.Bytes, &f.CreatedAt, &checked, &f.SaidRows, &f.SaidFen,
		&cols, &f.Headings, &f.Part, &f.Rows, &f.TotalFen, &f.ByID, &f.ByRef, &f.ByLook, &f.Ours, &f.Found, &f.FaultCode, &f.Fault)
	if err != nil {
		return f, err
	}
	if checked != nil {
		f.CheckedAt = *checked
	}
	if cols != nil {
		err = json.Unmarshal(cols, &f.Columns)
	}
	return f, err
}

// Files lists the versions of a reconciliation's file, the newest first, those that
// were given up before they had come left out.
func (s *Store) Files(ctx context.Context, caseID int64) ([]File, error) {
	rows, err := s.db.Query(ctx, `SELECT `+fileColumns+` FROM recon_files f WHERE f.reconciliation_id = $1 ORDER BY f.version DESC LIMIT 100`, caseID)
	if err != nil {
		return nil, fmt.Errorf("recon.Files: %w", err)
	}
	list, err := pgx.CollectRows(rows, scanFile)
	if err != nil {
		return nil, fmt.Errorf("recon.Files: %w", err)
	}
	return list, nil
}

// Case is one reconciliation.
type Case struct {
	ID, MerchantID int64
	First, Last    ledger.Day
	Open, Settled  int  // differences
	Found          int  // all of the newest file, and those that were settled
	Booked         bool // money is posted for one of them, so it can't be given up
	SettledAt      time.Time
	DroppedAt      time.Time
	CreatedAt      time.Time
	Newest         *File // the last one uploaded
	Current        *File // the newest that could be checked, nil without
}

const caseSelect = `SELECT r.id, r.merchant_id, r.first_day - date '1970-01-01', r.last_day - date '1970-01-01', r.settled_at, r.dropped_at, r.created_at,
	coalesce(r.file_id, 0), coalesce((SELECT id FROM recon_files WHERE reconciliation_id = r.id ORDER BY version DESC LIMIT 1), 0), d.open, d.settled, d.found, d.booked
	FROM reconciliations r, LATERAL (SELECT count(*) FILTER (WHERE state = 'open') AS open, count(*) FILTER (WHERE state NOT IN ('open', 'gone')) AS settled,
		count(*) FILTER (WHERE state <> 'gone') AS found, coalesce(bool_or(booked_fen <> 0 OR state = 'accepted'), false) AS booked FROM recon_differences WHERE reconciliation_id = r.id) d `

// Cases lists a merchant's reconciliations, the newest first, from before an id (0: from
// the newest).
func (s *Store) Cases(ctx context.Context, merchantID, before int64, limit int) ([]Case, error) {
	return s.cases(ctx, `WHERE r.merchant_id = $1 AND r.dropped_at IS NULL AND ($2::bigint = 0 OR r.id < $2) ORDER BY r.id DESC LIMIT $3`, merchantID, before, limit)
}

// Case reads one reconciliation of a merchant; a dropped one as it was.
// merchant.ErrNotFound.
func (s *Store) Case(ctx context.Context, merchantID, id int64) (*Case, error) {
	list, err := s.cases(ctx, `WHERE r.merchant_id = $1 AND r.id = $2`, merchantID, id)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, merchant.ErrNotFound
	}
	return &list[0], nil
}

func (s *Store) cases(ctx context.Context, where string, args ...any) ([]Case, error) {
	rows, err := s.db.Query(ctx, caseSelect+where, args...)
	if err != nil {
		return nil, fmt.Errorf("recon.Cases: %w", err)
	}
	type pair struct{ current, newest int64 }
	var pairs []pair
	var ids []int64
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (c Case, err error) {
		var settled, dropped *time.Time
		var p pair
		err = row.Scan(&c.ID, &c.MerchantID, &c.First, &c.Last, &settled, &dropped, &c.CreatedAt, &p.current, &p.newest, &c.Open, &c.Settled, &c.Found, &c.Booked)
		if settled != nil {
			c.SettledAt = *settled
		}
		if dropped != nil {
			c.DroppedAt = *dropped
		}
		pairs, ids = append(pairs, p), append(ids, p.current, p.newest)
		return c, err
	})
	if err != nil {
		return nil, fmt.Errorf("recon.Cases: %w", err)
	}
	rows, err = s.db.Query(ctx, `SELECT `+fileColumns+` FROM recon_files f WHERE f.id = ANY($1)`, ids)
	if err != nil {
		return nil, fmt.Errorf("recon.Cases: %w", err)
	}
	files, err := pgx.CollectRows(rows, scanFile)
	if err != nil {
		return nil, fmt.Errorf("recon.Cases: %w", err)
	}
	for i := range list {
		for j := range files {
			if files[j].ID == pairs[i].current {
				list[i].Current = &files[j]
			}
			if files[j].ID == pairs[i].newest {
				list[i].Newest = &files[j]
			}
		}
	}
	return list, nil
}

// Todo counts what waits for a merchant: open differences that it has not explained,
// and files whose columns it is asked for.
func (s *Store) Todo(ctx context.Context, merchantID int64) (differences, files int, err error) {
	err = s.db.QueryRow(ctx, `SELECT (SELECT count(*) FROM recon_differences d JOIN reconciliations r ON r.id = d.reconciliation_id
			WHERE r.merchant_id = $1 AND r.settled_at IS NULL AND r.dropped_at IS NULL AND d.state = 'open' AND d.note = ''),
		(SELECT count(*) FROM recon_files f JOIN reconciliations r ON r.id = f.reconciliation_id WHERE r.merchant_id = $1 AND f.state = 'asking')`,
		merchantID).Scan(&differences, &files)
	if err != nil {
		return 0, 0, fmt.Errorf("recon.Todo: %w", err)
	}
	return differences, files, nil
}
