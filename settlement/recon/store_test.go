package recon_test

import (
	"errors"
	"io"
	"strconv"
	"strings"
	"testing"
	"time"

	"unioncard/card/sheet"
	"unioncard/merchant"
	"unioncard/merchant/signing"
	"unioncard/settlement/ledger"
	"unioncard/settlement/recon"
)

// TestThreePlantedDifferences: of a file that agrees but for three rows, those three
// are found and settled by both sides, and the money moves once.
func TestThreePlantedDifferences(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one := w.sell(noon, 10_000, "A1")
	missing := w.sell(noon.Add(time.Hour), 20_000, "A2")
	w.sell(noon.Add(2*time.Hour), 30_000, "A3")
	w.undo(w.sell(noon, 5_000, "A4"), noon.Add(time.Minute))
	w.record(sale{merchant: w.other, at: noon, fen: 777, ref: "X1"})
	c := w.upload(file(line("A1", noon, 100, 10), line("A3", noon, 310, 30), line("B9", noon, 50, 5)))
	f := c.Current
	if f == nil || f.State != recon.Checked || f.Rows != 3 || f.TotalFen != 46_000 || f.ByRef != 1 || f.Ours != 4 || c.Open != 3 || !c.SettledAt.IsZero() {
		t.Fatalf("%+v %+v", c, c.Newest)
	}
	list := w.differences(c.ID)
	if got, want := brief(list), "amount unequal open 3; theirs not_found open 4; ours missing open 0"; got != want {
		t.Fatalf("got  %s\nwant %s", got, want)
	}
	amount, theirs, ours := list[0], list[1], list[2]
	if ours.PurchaseID != missing || ours.Our.Fen != 20_000 || ours.Outlet != "甲店一店" || amount.Their.Fen != 31_000 || amount.Our.Fen != 30_000 || theirs.TheirRef != "B9" {
		t.Errorf("%+v", list)
	}
	_ = one
	if _, ok := errors.AsType[merchant.FieldErrors](w.store.Explain(w.ctx, w.shop, theirs.ID, owner, "顾客 13812345678 可以作证")); !ok {
		t.Error("a worker's number was kept in plain")
	}
	w.must(w.store.Explain(w.ctx, w.shop, theirs.ID, owner, "当时断网，手工打了折"))
	if n, files, err := w.store.Todo(w.ctx, w.shop); n != 2 || files != 0 || err != nil {
		t.Errorf("%d and %d to do, %v", n, files, err)
	}
	w.must(w.store.Reject(w.ctx, w.shop, amount.ID, owner, "收银员多按了，以系统为准", amount.Version))
	if err := w.store.Void(w.ctx, w.shop, ours.ID, owner, "顾客没有要", ours.Version); !errors.Is(err, recon.ErrNotUndone) {
		t.Errorf("not undone: %v", err)
	}
	w.undo(missing, noon.Add(72*time.Hour))
	w.must(w.store.Void(w.ctx, w.shop, ours.ID, owner, "顾客没有要，已退款", ours.Version))

	id := w.propose(theirs.ID, recon.Settlement{To: recon.Accepted, Fen: 500})
	if d, err := w.store.Get(w.ctx, 0, theirs.ID); err != nil || d.Proposal != id {
		t.Errorf("%+v, %v", d, err)
	}
	w.must(w.signing.Decide(w.ctx, w.approver, id, true, "小票看过了"))
	d, err := w.store.Get(w.ctx, 0, theirs.ID)
	w.must(err)
	if d.State != recon.Accepted || d.BookedFen != 500 || d.Note != "当时断网，手工打了折" || d.Proposal != 0 {
		t.Errorf("%+v", d)
	}
	if n := w.count(`transfers WHERE merchant_id = $1 AND debit = $2 AND credit = $3 AND fen = 500`, w.shop, ledger.Adjustment(w.office), ledger.Merchant(w.shop)); n != 1 {
		t.Errorf("%d transfers", n)
	}
	if n := w.count(`merchant_notices WHERE merchant_id = $1 AND url = '/portal/differences/' || $2::bigint`, w.shop, theirs.ID); n != 1 {
		t.Errorf("%d notices", n)
	}
	if c = w.get(c.ID); c.Open != 0 || c.Settled != 3 || c.SettledAt.IsZero() {
		t.Errorf("%+v", c)
	}
	if err := w.store.Reject(w.ctx, w.shop, theirs.ID, owner, "再来", 0); !errors.Is(err, recon.ErrMovedOn) {
		t.Errorf("settled twice: %v", err)
	}
}

func (w *world) propose(id int64, s recon.Settlement) int64 {
	w.Helper()
	p, err := w.signing.Propose(w.ctx, w.maker, recon.KindAccept, recon.Object(id), w.office, s, "核对过小票")
	w.must(err)
	return p
}

// TestNewVersion: what was decided stays, what is new is found, what is gone is closed,
// and a booked sale that is gone opens again.
func TestNewVersion(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.sell(noon, 10_000, "A1")
	c := w.upload(file(line("A1", noon, 100, 10), line("B1", noon, 50, 5), line("B2", noon, 60, 6), line("B3", noon, 70, 7)))
	list := w.differences(c.ID)
	w.must(w.store.Reject(w.ctx, 0, list[0].ID, "staff:1", "没有小票", list[0].Version))
	p := w.propose(list[1].ID, recon.Settlement{To: recon.Accepted, Fen: 600})
	w.must(w.signing.Decide(w.ctx, w.approver, p, true, "同意"))
	waits := w.propose(list[2].ID, recon.Settlement{To: recon.Accepted, Fen: 700})

	second := w.upload(file(line("A1", noon, 100, 10), line("B1", noon, 50, 5), line("B2", noon, 60, 6), line("B4", noon, 80, 8)))
	if second.ID != c.ID || second.Current.Version != 2 {
		t.Fatalf("%+v", second.Current)
	}
	if got, want := brief(w.differences(c.ID)), "theirs not_found rejected 3; theirs not_found accepted 4; theirs not_found gone 5; theirs not_found open 5"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if err := w.signing.Decide(w.ctx, w.approver, waits, true, "同意"); !errors.Is(err, signing.ErrStale) {
		t.Errorf("a proposal about what is gone: %v", err)
	}
	w.must(w.signing.Decide(w.ctx, w.approver, waits, false, "新文件里没有了"))

	w.upload(file(line("A1", noon, 100, 10)))
	if got, want := brief(w.differences(c.ID)), "theirs not_found gone 3; theirs booked open 4; theirs not_found gone 5; theirs not_found gone 5"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if err := w.store.Drop(w.ctx, w.shop, c.ID, owner); !errors.Is(err, recon.ErrMovedOn) {
		t.Errorf("dropped with money posted: %v", err)
	}
	back := w.propose(list[1].ID, recon.Settlement{To: recon.Adjusted, Fen: -600})
	w.must(w.signing.Decide(w.ctx, w.approver, back, true, "扣回"))
	if c = w.get(c.ID); c.Open != 0 || c.SettledAt.IsZero() {
		t.Errorf("%+v", c)
	}
	var sum int64
	w.must(w.pool.QueryRow(w.ctx, `SELECT sum(fen) FROM adjustments`).Scan(&sum))
	if sum != 0 {
		t.Errorf("%d fen stay posted", sum)
	}
	w.upload(file(line("A1", noon, 100, 10), line("B1", noon, 50, 5)))
	if got, want := brief(w.differences(c.ID)), "theirs not_found open 3; theirs booked adjusted 4; theirs not_found gone 5; theirs not_found gone 5"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestBookedOnce: a sale that was accepted comes back to what it was when the file has
// it again, and can't be accepted from another file.
func TestBookedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.sell(noon, 10_000, "A1")
	b := line("B1", noon, 50, 5)
	c := w.upload(file(line("A1", noon, 100, 10), b))
	id := w.differences(c.ID)[0].ID
	w.must(w.signing.Decide(w.ctx, w.approver, w.propose(id, recon.Settlement{To: recon.Accepted, Fen: 500}), true, "同意"))
	w.upload(file(line("A1", noon, 100, 10)))
	w.upload(file(line("A1", noon, 100, 10), b, line("C1", noon, 10, 1)))
	if got, want := brief(w.differences(c.ID)), "theirs not_found accepted 3; theirs not_found open 4"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	w.sell(noon.Add(24*time.Hour), 10_000, "N1")
	next, err := w.store.Upload(w.ctx, recon.Upload{MerchantID: w.shop, By: owner, First: day + 1, Last: day + 1, Rows: -1,
		Body: strings.NewReader(file(line("N1", noon.Add(24*time.Hour), 100, 10), line("N2", noon.Add(24*time.Hour), 10, 0), b))})
	w.must(err)
	w.work()
	list := w.differences(next)
	p := w.propose(list[1].ID, recon.Settlement{To: recon.Accepted, Fen: 500})
	if err := w.signing.Decide(w.ctx, w.approver, p, true, "同意"); !errors.Is(err, recon.ErrBookedElsewhere) {
		t.Errorf("accepted from two files: %v", err)
	}
	if n := w.count(`adjustments`); n != 1 {
		t.Errorf("%d adjustments", n)
	}
}

// TestSettlementBounds: what finance can't propose.
func TestSettlementBounds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.sell(noon, 10_000, "A1")
	w.sell(noon, 10_000, "A2")
	c := w.upload(file(line("A1", noon, 110, 10), line("B1", noon, 50, 5), line("B2", noon, -50, -5)))
	list := w.differences(c.ID) // amount, theirs, theirs back, ours
	for name, s := range map[string]struct {
		of int
		recon.Settlement
	}{
		"more than the discount":       {1, recon.Settlement{To: recon.Accepted, Fen: 501}},
		"below nothing":                {1, recon.Settlement{To: recon.Accepted, Fen: -1}},
		"a return as a sale":           {2, recon.Settlement{To: recon.Accepted, Fen: 0}},
		"ours as an offline sale":      {3, recon.Settlement{To: recon.Accepted, Fen: 0}},
		"an amount as a sale":          {0, recon.Settlement{To: recon.Accepted, Fen: 1}},
		"an adjustment of nothing":     {0, recon.Settlement{To: recon.Adjusted}},
		"an adjustment of too much":    {0, recon.Settlement{To: recon.Adjusted, Fen: 11_001}},
		"an adjustment that overflows": {0, recon.Settlement{To: recon.Adjusted, Fen: -1 << 63}},
		"nothing known":                {0, recon.Settlement{To: recon.Gone, Fen: 1}},
	} {
		_, err := w.signing.Propose(w.ctx, w.maker, recon.KindAccept, recon.Object(list[s.of].ID), w.office, s.Settlement, "理由")
		if _, ok := errors.AsType[merchant.FieldErrors](err); !ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := w.signing.Propose(w.ctx, w.maker, recon.KindAccept, recon.Object(1<<40), w.office, recon.Settlement{To: recon.Accepted}, "理由"); !errors.Is(err, merchant.ErrNotFound) {
		t.Errorf("of no difference: %v", err)
	}
	// The merchant bore the discount: accepted, and nothing is posted.
	w.must(w.signing.Decide(w.ctx, w.approver, w.propose(list[1].ID, recon.Settlement{To: recon.Accepted}), true, "同意"))
	if n := w.count(`adjustments`); n != 0 {
		t.Errorf("%d adjustments", n)
	}
}

// TestRecordedElsewhere: what this service has on another day, or has once while the file
// has it twice, is no offline sale: its discount is in a statement already.
func TestRecordedElsewhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	late := day.Start().Add(24*time.Hour + time.Minute)
	w.sell(late, 10_000, "L1")
	w.sell(noon, 10_000, "A1")
	c := w.upload(file(line("A1", noon, 100, 10), line("A1", noon, 100, 10), line("L1", late.Add(-2*time.Minute), 100, 10)))
	list := w.differences(c.ID)
	if got, want := brief(list), "theirs duplicate open 3; theirs wrong_day open 4"; got != want {
		t.Fatalf("got  %s\nwant %s", got, want)
	}
	for _, d := range list {
		_, err := w.signing.Propose(w.ctx, w.maker, recon.KindAccept, recon.Object(d.ID), w.office, recon.Settlement{To: recon.Accepted, Fen: 1}, "理由")
		if _, ok := errors.AsType[merchant.FieldErrors](err); !ok {
			t.Errorf("%s accepted: %v", d.Why, err)
		}
	}
}

// TestPaidForOnce: while the money of a sale is posted it can't be posted from another
// file, though the difference has been opened again or was adjusted; and its merchant
// can't wave it through. Taken back, it is open once more where the file has it again.
func TestPaidForOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.sell(noon, 10_000, "A1")
	a, b, b2 := line("A1", noon, 100, 10), line("B1", noon, 50, 5), line("B2", noon, 60, 6)
	c := w.upload(file(a, b, b2))
	list := w.differences(c.ID)
	w.must(w.signing.Decide(w.ctx, w.approver, w.propose(list[0].ID, recon.Settlement{To: recon.Accepted, Fen: 500}), true, "同意"))
	w.must(w.signing.Decide(w.ctx, w.approver, w.propose(list[1].ID, recon.Settlement{To: recon.Adjusted, Fen: 600}), true, "同意"))
	w.upload(file(a)) // both gone, their money posted
	if _, ok := errors.AsType[merchant.FieldErrors](w.store.Reject(w.ctx, w.shop, list[0].ID, owner, "不用还", 0)); !ok {
		t.Error("the merchant settled what it would have to give back")
	}
	w.sell(noon.Add(24*time.Hour), 10_000, "N1")
	next, err := w.store.Upload(w.ctx, recon.Upload{MerchantID: w.shop, By: owner, First: day + 1, Last: day + 1, Rows: -1, Body: strings.NewReader(
		file(line("N1", noon.Add(24*time.Hour), 100, 10), line("N2", noon.Add(24*time.Hour), 10, 0), line("N3", noon.Add(24*time.Hour), 10, 0), b, b2))})
	w.must(err)
	w.work()
	for _, d := range w.differences(next) {
		if d.TheirRef[0] != 'B' {
			continue
		}
		p := w.propose(d.ID, recon.Settlement{To: recon.Accepted, Fen: 500})
		if err := w.signing.Decide(w.ctx, w.approver, p, true, "同意"); !errors.Is(err, recon.ErrBookedElsewhere) {
			t.Errorf("%s paid for from two files: %v", d.TheirRef, err)
		}
	}
	w.must(w.signing.Decide(w.ctx, w.approver, w.propose(list[0].ID, recon.Settlement{To: recon.Adjusted, Fen: -500}), true, "扣回"))
	w.upload(file(a, b, b2))
	if got, want := brief(w.differences(c.ID)), "theirs not_found open 3; theirs not_found accepted 4"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if n := w.count(`adjustments`); n != 3 {
		t.Errorf("%d adjustments", n)
	}
}

// TestOthers: nobody reaches another merchant's file or difference.
func TestOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.sell(noon, 10_000, "A1")
	c := w.upload(file(line("A1", noon, 100, 10), line("B1", noon, 50, 5)))
	d := w.differences(c.ID)[0]
	_, err1 := w.store.Case(w.ctx, w.other, c.ID)
	_, err2 := w.store.Get(w.ctx, w.other, d.ID)
	for name, err := range map[string]error{"case": err1, "get": err2,
		"explain": w.store.Explain(w.ctx, w.other, d.ID, owner, "x"), "reject": w.store.Reject(w.ctx, w.other, d.ID, owner, "x", 0),
		"void": w.store.Void(w.ctx, w.other, d.ID, owner, "x", 0), "drop": w.store.Drop(w.ctx, w.other, c.ID, owner),
		"name": w.store.Name(w.ctx, w.other, c.ID, c.Newest.ID, owner, recon.Columns{recon.FieldRef: "收银单号", recon.FieldFen: "消费金额"})} {
		if !errors.Is(err, merchant.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if list, err := w.store.Cases(w.ctx, w.other, 0, 10); err != nil || len(list) != 0 {
		t.Errorf("%v, %v", list, err)
	}
}

// TestAnotherMerchantsFile: the ids of another merchant's purchases are nobody's here,
// and a file of nothing else is refused as a whole.
func TestAnotherMerchantsFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.sell(noon, 10_000, "A1")
	theirs := w.record(sale{merchant: w.other, at: noon, fen: 5_000, discount: 500, ref: "X1"})
	c := w.upload("优惠单号,收银单号,消费金额\n" + theirs.String() + ",X1,50\n,A1,100\n合计,,150\n")
	if got, want := brief(w.differences(c.ID)), "theirs not_found open 2"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	var rows []string
	for i := range 25 {
		rows = append(rows, line("X1", noon.Add(time.Duration(i)*time.Hour/10), 50, 5))
	}
	c = w.upload(file(rows...))
	if c.Newest.State != recon.Refused || c.Newest.FaultCode != "nothing_matches" || c.Current.Version != 1 {
		t.Errorf("%+v", c.Newest)
	}
}

// TestTooManySold: days of many more purchases than a file can have rows are refused
// before they are held against it.
func TestTooManySold(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *recon.Options) {
		o.Limits = sheet.DefaultLimits()
		o.Limits.Rows = 5
	})
	for i := range 11 {
		w.sell(noon.Add(time.Duration(i)*time.Minute), 10_000, "A"+strconv.Itoa(i))
	}
	if c := w.upload(file(line("A1", noon, 100, 10))); c.Newest.State != recon.Refused || c.Newest.FaultCode != "too_many" {
		t.Errorf("%+v", c.Newest)
	}
}

// TestUploadRefused: days that can't be reconciled, uploads that break off, and the
// same file again; nothing of them stays.
func TestUploadRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *recon.Options) {
		o.Limits = sheet.DefaultLimits()
		o.Limits.Bytes = 1 << 20
	})
	today := ledger.DayOf(time.Now())
	for name, u := range map[string]recon.Upload{
		"today": {First: today, Last: today}, "tomorrow": {First: day, Last: today + 2}, "backwards": {First: day, Last: day - 1}, "no day": {},
		"too long": {First: day - 31, Last: day},
		"empty":    {First: day, Last: day, Body: strings.NewReader("")},
		"too big":  {First: day, Last: day, Body: io.LimitReader(endless{}, 2<<20)},
		"cut off":  {First: day, Last: day, Body: io.MultiReader(strings.NewReader("x"), failing{io.ErrUnexpectedEOF})},
	} {
		u.MerchantID, u.By, u.Rows = w.shop, owner, -1
		if _, err := w.store.Upload(w.ctx, u); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	if n := w.count(`recon_files`) + w.count(`recon_chunks`) + w.count(`reconciliations`); n != 0 {
		t.Errorf("%d leftovers", n)
	}
	w.sell(noon, 10_000, "A1")
	text := file(line("A1", noon, 100, 10))
	c := w.upload(text)
	if c.SettledAt.IsZero() || c.Found != 0 {
		t.Errorf("%+v", c)
	}
	if _, err := w.try(text); err == nil {
		t.Error("the same file was taken twice")
	} else if same, ok := errors.AsType[*recon.SameFileError](err); !ok || same.Case != c.ID {
		t.Error(err)
	}
	_, err := w.store.Upload(w.ctx, recon.Upload{MerchantID: w.shop, By: owner, First: day - 1, Last: day, Rows: -1, Body: strings.NewReader(text)})
	if faults, ok := errors.AsType[merchant.FieldErrors](err); !ok || !strings.Contains(faults[0].Message, "2026-06-01 至 2026-06-01") {
		t.Errorf("overlapping: %v", err)
	}
	w.must(w.store.Drop(w.ctx, w.shop, c.ID, owner))
	if _, err := w.store.Upload(w.ctx, recon.Upload{MerchantID: w.shop, By: owner, First: day - 1, Last: day, Rows: -1, Body: strings.NewReader(text)}); err != nil {
		t.Errorf("after dropping: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

type endless struct{}

func (endless) Read(p []byte) (int, error) { return copy(p, "1,2\n"), nil }

// TestColumnsAreAsked: a file whose columns nobody could guess waits for them, and the
// next of its kind does not.
func TestColumnsAreAsked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.sell(noon, 10_000, "A1")
	text := "甲,乙\nA1,100\n合计,100\n"
	c := w.upload(text)
	if c.Newest.State != recon.Asking || c.Current != nil {
		t.Fatalf("%+v", c.Newest)
	}
	lines, _, err := w.store.Sample(w.ctx, c.Newest, 3)
	w.must(err)
	if len(lines) != 2 || lines[0][0] != "A1" || len(c.Newest.Headings) != 2 {
		t.Errorf("%v %v", lines, c.Newest.Headings)
	}
	for _, cols := range []recon.Columns{{recon.FieldRef: "甲"}, {recon.FieldRef: "甲", recon.FieldFen: "丙"}} {
		if _, ok := errors.AsType[merchant.FieldErrors](w.store.Name(w.ctx, w.shop, c.ID, c.Newest.ID, owner, cols)); !ok {
			t.Errorf("%v was taken", cols)
		}
	}
	cols := recon.Columns{recon.FieldRef: "甲", recon.FieldFen: "乙"}
	w.must(w.store.Name(w.ctx, w.shop, c.ID, c.Newest.ID, owner, cols))
	if n, files, err := w.store.Todo(w.ctx, w.shop); n != 0 || files != 0 || err != nil { // queued by now
		t.Errorf("%d and %d to do, %v", n, files, err)
	}
	if err := w.store.Name(w.ctx, w.shop, c.ID, c.Newest.ID, owner, cols); !errors.Is(err, recon.ErrMovedOn) {
		t.Errorf("named twice: %v", err)
	}
	w.work()
	if c = w.get(c.ID); c.Current == nil || c.Current.ByRef != 1 || w.count(`recon_chunks`) != 0 {
		t.Fatalf("%+v", c.Newest)
	}
	if c = w.upload("乙,甲\n100,A1\n100,小计\n90,A2\n190,合计\n"); c.Current.Version != 2 || c.Current.Rows != 2 || c.Open != 1 {
		t.Errorf("%+v", c.Newest)
	}
	if c = w.upload("乙,甲\n100,A1\n90,A2\n"); c.Newest.FaultCode != "no_totals" {
		t.Errorf("%+v", c.Newest)
	}
}

// TestKilled: a node that dies in the middle of a check leaves a file that the next one
// checks; two nodes never both write.
func TestKilled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.sell(noon, 10_000, "A1")
	id, err := w.try(file(line("A1", noon, 100, 10), line("B1", noon, 50, 5)))
	w.must(err)
	w.exec(`UPDATE recon_files SET state = 'checking', token = 7, tries = 1, lease_until = clock_timestamp() + interval '1 hour'`) // another node's
	w.work()
	if c := w.get(id); c.Newest.State != recon.Checking {
		t.Fatalf("%+v", c.Newest)
	}
	w.exec(`UPDATE recon_files SET lease_until = clock_timestamp() - interval '1 s'`) // which is dead
	w.work()
	if c := w.get(id); c.Newest.State != recon.Checked || c.Open != 1 {
		t.Fatalf("%+v", c.Newest)
	}
	if _, err = w.try(file(line("A1", noon, 100, 10))); err != nil {
		t.Fatal(err)
	}
	w.exec(`UPDATE recon_files SET tries = 5 WHERE state = 'queued'`)
	w.work()
	if c := w.get(id); c.Newest.State != recon.Broken || c.Current.Version != 1 {
		t.Fatalf("%+v", c.Newest)
	}
}

// TestVersionsOutOfOrder: an older version that is checked after a newer one changes
// nothing.
func TestVersionsOutOfOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.sell(noon, 10_000, "A1")
	id, err := w.try(file(line("A1", noon, 100, 10), line("B1", noon, 50, 5)))
	w.must(err)
	w.exec(`UPDATE recon_files SET lease_until = clock_timestamp() + interval '1 hour'`)
	_, err = w.try(file(line("A1", noon, 100, 10)))
	w.must(err)
	w.work()
	w.exec(`UPDATE recon_files SET lease_until = NULL WHERE state = 'queued'`)
	w.work()
	c := w.get(id)
	if c.Current.Version != 2 || c.Open != 0 || w.count(`recon_files WHERE state = 'superseded' AND version = 1`) != 1 {
		t.Errorf("%+v %+v", c, c.Current)
	}
}

// TestVersionsAtOnce: an older version that waits for the newer one to be merged sees it
// then, and changes nothing.
func TestVersionsAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.sell(noon, 10_000, "A1")
	c := w.upload(file(line("A1", noon, 100, 10)))
	_, err := w.try(file(line("A1", noon, 100, 10), line("B1", noon, 50, 5)))
	w.must(err)
	_, err = w.try(file(line("A1", noon, 100, 10), line("B1", noon, 50, 5), line("C1", noon, 10, 1)))
	w.must(err)
	w.exec(`UPDATE recon_files SET lease_until = clock_timestamp() + interval '1 hour' WHERE version = 3`)
	merging, err := w.pool.Begin(w.ctx)
	w.must(err)
	_, err = merging.Exec(w.ctx, `SELECT FROM reconciliations FOR UPDATE`)
	w.must(err)
	done := make(chan error, 1)
	go func() {
		_, err := w.store.Work(w.ctx)
		done <- err
	}()
	for w.count(`pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`) == 0 {
		select {
		case err := <-done:
			t.Fatalf("it did not wait: %v", err)
		default:
		}
	}
	_, err = merging.Exec(w.ctx, `UPDATE reconciliations SET file_id = (SELECT id FROM recon_files WHERE version = 3)`)
	w.must(err)
	w.must(merging.Commit(w.ctx))
	w.must(<-done)
	if c = w.get(c.ID); c.Current.Version != 3 || w.count(`recon_files WHERE state = 'superseded' AND version = 2`) != 1 {
		t.Errorf("%+v %+v", c, c.Current)
	}
}

// TestPrune: uploads that broke off with their node go, and files nobody answers for.
func TestPrune(t *testing.T) {
	t.Parallel()
	now := time.Now()
	w := newWorld(t, func(o *recon.Options) { o.Clock = func() time.Time { return now } })
	w.sell(noon, 10_000, "A1")
	c := w.upload("甲,乙\nA1,100\n")
	_, err := w.store.Upload(w.ctx, recon.Upload{MerchantID: w.shop, By: owner, First: day + 1, Last: day + 1, Rows: -1, Body: strings.NewReader("x")})
	w.must(err)
	w.exec(`UPDATE recon_files SET state = 'uploading' WHERE id <> $1`, c.Newest.ID)
	if n, err := w.store.Prune(w.ctx); n != 0 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	now = now.Add(recon.Kept + time.Hour)
	if n, err := w.store.Prune(w.ctx); n != 2 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if n := w.count(`recon_chunks`); n != 0 || w.count(`recon_files`) != 1 || w.count(`reconciliations`) != 1 {
		t.Errorf("%d chunks left", n)
	}
}
