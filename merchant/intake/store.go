// Package intake takes in the merchants, outlets and contracts that an office had
// on paper before this service, from a workbook (XLSX).
//
// A workbook is checked first (dry run): everything it holds is done in a
// transaction that is rolled back, so the report says exactly what taking it in
// would meet, floors and duplicates included. It is kept with its report, and a
// second person approves it (merchant/signing, KindApply): then the very same
// bytes are taken in, whole or not at all, and once.
package intake

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card/union/event"
	"unioncard/card/union/staff"
	"unioncard/merchant"
	"unioncard/merchant/application"
	"unioncard/merchant/terms"
)

// KindApply is the proposal to take a checked workbook in.
const KindApply = "import.apply"

// ErrFaults: the workbook has rows that can't be taken in.
var ErrFaults = errors.New("intake: workbook has faults")

// ErrTaken: the office has taken this very workbook in before.
var ErrTaken = errors.New("intake: workbook was taken in before")

// Report is what a check found.
type Report struct {
	Merchants int     `json:"merchants"`
	Outlets   int     `json:"outlets"`
	Contracts int     `json:"contracts"`
	Faults    []Fault `json:"faults"`
	// More: there are more faults than are listed.
	More bool `json:"more,omitempty"`
	// Rows are what the checker reads before approving; none with faults.
	Rows []Row `json:"rows,omitempty"`
}

// Row is one merchant of a workbook, as the workbook says it.
type Row struct {
	Name    string         `json:"name"`
	Code    string         `json:"code"`
	Brand   string         `json:"brand,omitempty"`
	Trade   merchant.Trade `json:"trade"`
	Outlets []string       `json:"outlets"` // name and address
	From    time.Time      `json:"from"`
	Until   time.Time      `json:"until"` // exclusive
	Clause  bool           `json:"clause"`
	Offers  string         `json:"offers"`
}

// LastDay is a moment of the contract's last day.
func (r Row) LastDay() time.Time { return r.Until.Add(-time.Second) }

// Good reports whether the workbook can be taken in.
func (r *Report) Good() bool { return len(r.Faults) == 0 }

// Run is one workbook checked, and perhaps taken in.
type Run struct {
	ID        int64
	OfficeID  int64
	Name      string // of the file, the uploader's word
	SHA256    []byte
	Report    Report
	CreatedBy string
	CreatedAt time.Time
	Applied   time.Time // zero: not taken in
}

// Object is the run as events and proposals name it.
func (r *Run) Object() string { return "importrun:" + strconv.FormatInt(r.ID, 10) }

// Store checks and takes in.
type Store struct {
	db           merchant.DB
	clock        func() time.Time
	applications *application.Store
	reading      chan struct{} // one workbook is unpacked at once
}

// New returns a store; applications keeps the merchants' codes.
func New(db merchant.DB, clock func() time.Time, applications *application.Store) *Store {
	return &Store{db, clock, applications, make(chan struct{}, 1)}
}

// unpack is read in its turn, so that several workbooks at once don't add up.
func (s *Store) unpack(ctx context.Context, data []byte) (*book, error) {
	select {
	case s.reading <- struct{}{}:
		defer func() { <-s.reading }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return read(data)
}

// errRollback ends a dry run.
var errRollback = errors.New("intake: dry run")

// Check reads a workbook for the account's own office, tries all of it, and keeps
// it with its report. merchant.FieldErrors (field "file") for what is no workbook.
func (s *Store) Check(ctx context.Context, acct *staff.Account, name string, data []byte) (*Run, error) {
	b, err := s.unpack(ctx, data)
	if err != nil {
		return nil, err
	}
	by := merchant.By{Actor: "staff:" + strconv.FormatInt(acct.ID, 10), Reason: "检查导入文件"}
	err = s.change(ctx, func(tx pgx.Tx) error {
		if err := s.take(ctx, tx, by, acct.UnionID, b); err != nil {
			return err
		}
		return errRollback
	})
	if !errors.Is(err, errRollback) {
		return nil, err
	}
	sum := sha256.Sum256(data)
	r := &Run{OfficeID: acct.UnionID, Name: shortName(name), SHA256: sum[:], Report: b.report(), CreatedBy: by.Actor}
	report, err := json.Marshal(r.Report)
	if err != nil {
		return nil, err
	}
	err = s.change(ctx, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `INSERT INTO import_runs (office_id, name, sha256, data, report, created_by)
			VALUES ($1, $2, $3, $4, $5, $6) RETURNING id, created_at`, r.OfficeID, r.Name, r.SHA256, data, report, r.CreatedBy).
			Scan(&r.ID, &r.CreatedAt)
		if err != nil {
			return fmt.Errorf("intake: keep run: %w", err)
		}
		return event.Record(ctx, tx, by.Actor, "import.check", r.Object(), by.Reason, nil,
			map[string]any{"merchants": r.Report.Merchants, "faults": len(r.Report.Faults)})
	})
	return r, err
}

func shortName(s string) string {
	out := []rune(clean(s))
	if len(out) > 200 {
		out = out[:200]
	}
	if len(out) == 0 {
		return "未命名.xlsx"
	}
	return string(out)
}

func (b *book) report() Report {
	r := Report{Merchants: len(b.merchants), Faults: b.faults, More: b.tooMany}
	for _, m := range b.merchants {
		row := Row{Name: m.name, Code: m.code, Brand: m.brand, Trade: m.trade}
		for _, o := range m.outlets {
			row.Outlets = append(row.Outlets, o.name+"（"+o.address+"）")
		}
		r.Outlets += len(m.outlets)
		if c := m.contract; c != nil {
			r.Contracts++
			row.From, row.Until, row.Clause, row.Offers = c.from, c.until, c.clause, c.offers
		}
		if r.Good() {
			r.Rows = append(r.Rows, row)
		}
	}
	return r
}

// take does everything the book holds in tx; rows that can't be taken in become
// faults and leave nothing behind. Only what is nobody's fault is an error.
func (s *Store) take(ctx context.Context, tx pgx.Tx, by merchant.By, office int64, b *book) error {
	categories, _, err := merchant.NewStore(tx, s.clock).Categories(ctx)
	if err != nil {
		return err
	}
	words := map[string]string{}
	for _, c := range categories {
		words[c.Code], words[c.Name] = c.Code, c.Code
	}
	category := func(word string) (string, bool) { code, ok := words[word]; return code, ok }
	seen := map[string]int{}
	for _, m := range b.merchants {
		if at, twice := seen[m.code]; twice && m.code != "" {
			b.fault(sheetMerchants, m.row, "统一社会信用代码", "与第 "+strconv.Itoa(at)+" 行是同一个企业。")
			continue
		}
		seen[m.code] = m.row
		if m.bad {
			continue
		}
		if err := s.takeOne(ctx, tx, by, office, b, m, category); err != nil {
			return err
		}
		if b.tooMany {
			return nil
		}
	}
	return nil
}

// takeOne takes one merchant in, under a savepoint of its own.
func (s *Store) takeOne(ctx context.Context, tx pgx.Tx, by merchant.By, office int64, b *book, m *merchantRow,
	category func(string) (string, bool)) error {
	inner, err := tx.Begin(ctx)
	if err != nil {
		return fmt.Errorf("intake: savepoint: %w", err)
	}
	defer func() { _ = inner.Rollback(context.WithoutCancel(ctx)) }() // does nothing after the commit
	good, err := s.tryOne(ctx, inner, by, office, b, m, category)
	if err != nil || !good {
		return err
	}
	return inner.Commit(ctx)
}

func (s *Store) tryOne(ctx context.Context, tx pgx.Tx, by merchant.By, office int64, b *book, m *merchantRow,
	category func(string) (string, bool)) (bool, error) {
	shops := merchant.NewStore(tx, s.clock)
	bad := func(sheet string, row int, column, what string) (bool, error) {
		b.fault(sheet, row, column, what)
		return false, nil
	}
	if len(m.outlets) == 0 {
		return bad(sheetMerchants, m.row, "", "“门店”表里没有它的门店。")
	}
	if m.contract == nil {
		return bad(sheetMerchants, m.row, "", "“协议”表里没有它的协议。")
	}
	var held int64
	err := tx.QueryRow(ctx, `SELECT merchant_id FROM merchant_details WHERE code = $1 AND code <> '' LIMIT 1`, m.code).Scan(&held)
	if err == nil {
		return bad(sheetMerchants, m.row, "统一社会信用代码", "这个企业已经在网络中，不用再导入；要加门店请到商家页面办理。")
	} else if !errors.Is(err, pgx.ErrNoRows) {
		return false, fmt.Errorf("intake: duplicate: %w", err)
	}
	id, err := shops.CreateMerchant(ctx, by, merchant.NewMerchant{OfficeID: office, Name: m.name, Brand: m.brand, Trade: m.trade})
	if err != nil {
		return s.fault(err, b, sheetMerchants, m.row)
	}
	if err := s.applications.SetDetailsTx(ctx, tx, by, id, 0, application.Details{Code: m.code}); err != nil {
		return s.fault(err, b, sheetMerchants, m.row)
	}
	for _, o := range m.outlets {
		switch inside, err := covers(ctx, tx, office, o.territory); {
		case err != nil:
			return false, err
		case !inside:
			return bad(sheetOutlets, o.row, "区划代码", "这家门店不在本单位的辖区内，请由上级工会导入，或请当地工会办理。")
		}
		_, err := shops.CreateOutlet(ctx, by, merchant.NewOutlet{MerchantID: id, Name: o.name, Address: o.address,
			Territory: o.territory, Lon: o.lon, Lat: o.lat})
		if err != nil {
			return s.fault(err, b, sheetOutlets, o.row)
		}
	}
	return s.sign(ctx, shops, by, office, b, m, id, category)
}

// covers reports whether a division's union lies at or below an office: elsewhere
// it has no business (invariant 9).
func covers(ctx context.Context, tx pgx.Tx, office int64, territory int32) (inside bool, err error) {
	err = tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM unions u JOIN unions o ON starts_with(u.path, o.path)
		WHERE u.division = $2 AND o.id = $1)`, office, territory).Scan(&inside)
	if err != nil {
		return false, fmt.Errorf("intake: territory: %w", err)
	}
	return inside, nil
}

// sign draws up, publishes and activates the merchant's contract.
func (s *Store) sign(ctx context.Context, shops *merchant.Store, by merchant.By, office int64, b *book, m *merchantRow, id int64,
	category func(string) (string, bool)) (bool, error) {
	c := m.contract
	doc, err := ParseOffers(c.offers, category)
	if err != nil {
		b.fault(sheetContracts, c.row, "优惠", err.Error()+"。")
		return false, nil
	}
	if !c.until.After(s.clock()) {
		b.fault(sheetContracts, c.row, "结束日期", "协议已经过期，不用导入。")
		return false, nil
	}
	contract, err := shops.CreateContract(ctx, by, merchant.NewContract{MerchantID: id, OfficeID: office,
		ValidFrom: c.from, ValidUntil: c.until, RefundTail: c.tail, FloorClause: c.clause})
	if err != nil {
		return s.fault(err, b, sheetContracts, c.row)
	}
	raw, err := doc.Canonical()
	if err != nil {
		return false, err
	}
	if _, err := shops.PublishTerms(ctx, by, contract, raw, time.Time{}); err != nil {
		return s.fault(err, b, sheetContracts, c.row)
	}
	if err := shops.ActivateContract(ctx, by, contract); err != nil {
		return s.fault(err, b, sheetContracts, c.row)
	}
	return true, nil
}

// fault turns a refusal into a fault of the row; what is no refusal stays an error.
func (s *Store) fault(err error, b *book, sheet string, row int) (bool, error) {
	var below *merchant.BelowFloorError
	var invalid *merchant.InvalidError
	var fields merchant.FieldErrors
	switch {
	case errors.As(err, &below):
		b.fault(sheet, row, "优惠", belowWords(below))
	case errors.As(err, &invalid) && invalid.Field == "Territory":
		b.fault(sheet, row, "区划代码", "没有这个区划代码。")
	case errors.As(err, &invalid) && invalid.Field == "OfficeID":
		b.fault(sheet, row, "", "只有省、市、县工会能与商家签约，请换用签约单位的账号导入。")
	case errors.As(err, &invalid):
		b.fault(sheet, row, "", "这一行的内容不能接受，请核对（"+invalid.Field+"）。")
	case errors.As(err, &fields):
		b.fault(sheet, row, "", fields[0].Message)
	case errors.Is(err, terms.ErrInvalid):
		b.fault(sheet, row, "优惠", "优惠不成立，请核对门槛和减免的金额。")
	default:
		return false, err
	}
	return false, nil
}

// belowWords says where the offers fall below a floor.
func belowWords(e *merchant.BelowFloorError) string {
	c := e.Comparison
	if c.Counterexample == nil {
		return "优惠与省级底线比不出高低：" + c.Reason + "请写得简单些。"
	}
	return fmt.Sprintf("优惠低于省级底线：消费 %s 元时省级底线优惠 %s 元，这里只优惠 %s 元。请与商家改谈后再导入。",
		yuan(c.Counterexample.AmountFen), yuan(c.FloorFen), yuan(c.LocalFen))
}

func yuan(fen int64) string { return fmt.Sprintf("%d.%02d", fen/100, fen%100) }

// change runs f in a transaction of its own and commits it.
func (s *Store) change(ctx context.Context, f func(tx pgx.Tx) error) error {
	return merchant.InTx(ctx, s.db, "intake", f)
}

const runSQL = `SELECT id, office_id, name, sha256, report, created_by, created_at, coalesce(applied_at, 'epoch') FROM import_runs`

func scanRun(row pgx.CollectableRow) (*Run, error) {
	var r Run
	var report []byte
	if err := row.Scan(&r.ID, &r.OfficeID, &r.Name, &r.SHA256, &report, &r.CreatedBy, &r.CreatedAt, &r.Applied); err != nil {
		return nil, err
	}
	if r.Applied.Unix() == 0 {
		r.Applied = time.Time{}
	}
	return &r, json.Unmarshal(report, &r.Report)
}

// Get is one run. merchant.ErrNotFound.
func (s *Store) Get(ctx context.Context, id int64) (*Run, error) {
	rows, err := s.db.Query(ctx, runSQL+` WHERE id = $1`, id)
	if err != nil {
		return nil, fmt.Errorf("intake: run: %w", err)
	}
	r, err := pgx.CollectExactlyOneRow(rows, scanRun)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, merchant.ErrNotFound
	}
	return r, err
}

// Runs lists the runs of a territory, the newest first.
func (s *Store) Runs(ctx context.Context, path string, limit int) ([]*Run, error) {
	rows, err := s.db.Query(ctx, runSQL+` WHERE office_id IN (SELECT id FROM unions WHERE starts_with(path, $1)) ORDER BY id DESC LIMIT $2`, path, limit)
	if err != nil {
		return nil, fmt.Errorf("intake: runs: %w", err)
	}
	return pgx.CollectRows(rows, scanRun)
}
