package application_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"unioncard/card/union/keyset"
	"unioncard/merchant"
	"unioncard/merchant/application"
)

// TestFromFormToContract goes the whole way, and shows that accepting happens
// once and in one piece.
func TestFromFormToContract(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := document(jinshui, jinshui)
	d.Brand = "宇通"
	d.Bank = application.Bank{Holder: d.LegalName, Bank: "工商银行花园路支行", Account: "1702020109000012345"}
	a := w.reviewed(d)
	if a.OfficeID != w.unions[jinshui] {
		t.Errorf("office %d, want 金水区's", a.OfficeID)
	}
	contract, err := w.store.Accept(w.ctx, by, a.ID, a.Version, w.year())
	w.must(err)
	got := w.get(a.ID)
	if got.Stage != merchant.StageNegotiating || got.ContractID != contract || got.MerchantID == 0 {
		t.Errorf("after acceptance: %+v", got)
	}
	c, err := merchant.NewStore(w.pool, w.clock.Now).Contract(w.ctx, contract)
	w.must(err)
	if c.MerchantID != got.MerchantID || c.Status != merchant.ContractDraft || c.OfficeID != a.OfficeID || c.Brand != "宇通" {
		t.Errorf("contract: %+v", c)
	}
	if n := w.count(`SELECT count(*) FROM outlets WHERE merchant_id = $1 AND territory = $2`, got.MerchantID, jinshui); n != 2 {
		t.Errorf("%d outlets, want 2", n)
	}
	details, err := w.store.Details(w.ctx, got.MerchantID)
	w.must(err)
	want := application.Details{Code: d.Code, Contact: d.Contact, Bank: d.Bank, Version: 1}
	if diff := cmp.Diff(want, details); diff != "" {
		t.Error(diff)
	}
	var move *merchant.MoveError
	if _, err := w.store.Accept(w.ctx, by, a.ID, got.Version, w.year()); !errors.As(err, &move) {
		t.Errorf("accepting again: %v", err)
	}
	if n := w.count(`SELECT count(*) FROM merchants`); n != 1 {
		t.Errorf("%d merchants", n)
	}
}

// TestAcceptOnce: of two clerks who accept at once, one does.
func TestAcceptOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.reviewed(document(jinshui))
	var wait sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs {
		wait.Go(func() { _, errs[i] = w.store.Accept(w.ctx, by, a.ID, a.Version, w.year()) })
	}
	wait.Wait()
	good := 0
	for _, err := range errs {
		var conflict *application.ConflictError
		switch {
		case err == nil:
			good++
		case !errors.As(err, &conflict):
			t.Errorf("the loser reads: %v", err)
		}
	}
	if n := w.count(`SELECT count(*) FROM merchants`); good != 1 || n != 1 {
		t.Errorf("%d accepted, %d merchants", good, n)
	}
}

// TestAcceptNeedsTheChecklist: nothing is left behind when it is refused.
func TestAcceptNeedsTheChecklist(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.reviewed(document(jinshui))
	w.must(w.store.Tick(w.ctx, by, a.ID, a.Version, "licence", false))
	_, err := w.store.Accept(w.ctx, by, a.ID, a.Version, w.year())
	var fields merchant.FieldErrors
	if !errors.As(err, &fields) || !strings.Contains(fields.On("checklist"), "营业执照") {
		t.Errorf("got %v", err)
	}
	w.must(w.store.Tick(w.ctx, by, a.ID, a.Version, "licence", true))
	bad := w.year()
	bad.ValidUntil = bad.ValidFrom
	if _, err := w.store.Accept(w.ctx, by, a.ID, a.Version, bad); !errors.As(err, &fields) || fields.On("valid_until") == "" {
		t.Errorf("end before start: %v", err)
	}
	if n := w.count(`SELECT count(*) FROM merchants`); n != 0 {
		t.Errorf("%d merchants of refused acceptances", n)
	}
}

// TestTwoClerks: the second is told what the first changed, and by whom.
func TestTwoClerks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.apply(document(jinshui))
	first, second := a.Doc, a.Doc
	first.Contact.Phone, first.Brand = "13803710002", "宇通"
	w.must(w.store.Save(w.ctx, by, a.ID, a.Version, first, false))
	second.Note = "连锁"
	err := w.store.Save(w.ctx, by, a.ID, a.Version, second, false)
	var conflict *application.ConflictError
	if !errors.As(err, &conflict) || len(conflict.Changes) != 1 {
		t.Fatalf("got %v", err)
	}
	if diff := cmp.Diff([]string{"brand", "phone"}, conflict.Changes[0].Fields); diff != "" {
		t.Error(diff)
	}
	if got := w.get(a.ID).Doc; got.Brand != "宇通" || got.Note != "" {
		t.Errorf("the second save went through: %+v", got)
	}
	if err := w.store.Move(w.ctx, by, a.ID, a.Version, "take", "", false); !errors.As(err, &conflict) {
		t.Errorf("moving what was not seen: %v", err)
	}
}

// TestTicksFall: a change makes doubtful what rests on it, and no more.
func TestTicksFall(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.reviewed(document(jinshui))
	d := a.Doc
	d.Contact.Phone = "13803710009"
	w.must(w.store.Save(w.ctx, by, a.ID, a.Version, d, false))
	r, err := w.store.Review(w.ctx, w.get(a.ID))
	w.must(err)
	if diff := cmp.Diff([]string{"联系人核实"}, r.Open()); diff != "" {
		t.Error(diff)
	}
	licence := int64(w.count(`SELECT id FROM files WHERE kind = 'licence'`))
	w.must(w.store.RemoveFile(w.ctx, by, a.ID, licence, false))
	r, err = w.store.Review(w.ctx, w.get(a.ID))
	w.must(err)
	if diff := cmp.Diff([]string{"营业执照", "联系人核实"}, r.Open()); diff != "" {
		t.Error(diff)
	}
	var fields merchant.FieldErrors
	err = w.store.Tick(w.ctx, by, a.ID, w.get(a.ID).Version, "licence", true)
	if !errors.As(err, &fields) || fields.On("item") == "" {
		t.Errorf("ticked without the file: %v", err)
	}
}

// TestApplicantsMoves: what the public form may do and when.
func TestApplicantsMoves(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r, err := w.store.Apply(w.ctx, document(jinshui))
	w.must(err)
	var fields merchant.FieldErrors
	if err := w.store.Move(w.ctx, by, r.ID, 1, "submit", "", true); !errors.As(err, &fields) || !strings.Contains(fields.On("files"), "营业执照") {
		t.Errorf("submitted without files: %v", err)
	}
	for _, kind := range []string{"licence", "permit", "storefront"} {
		w.must(w.addFile(r.ID, kind, true))
	}
	if err := w.addFile(r.ID, "visit:1", true); !errors.As(err, &fields) {
		t.Errorf("an applicant's file among the visits: %v", err)
	}
	w.move(r.ID, "submit", true)
	var move *merchant.MoveError
	for _, action := range []string{"take", "accept", "reject", "return", "submit", "", "save", "activate"} {
		if err := w.store.Move(w.ctx, by, r.ID, 2, action, "x", true); !errors.As(err, &move) {
			t.Errorf("applicant %s: %v", action, err)
		}
	}
	if err := w.addFile(r.ID, "licence", true); !errors.As(err, &move) {
		t.Errorf("a file after sending: %v", err)
	}
	if err := w.store.Save(w.ctx, by, r.ID, 2, document(erqi), true); !errors.As(err, &move) {
		t.Errorf("a change after sending: %v", err)
	}
	if err := w.store.Move(w.ctx, merchant.By{Actor: "staff:1", Reason: " "}, r.ID, 2, "return", "", false); !errors.As(err, &fields) ||
		fields.On("reason") == "" || fields.On("fix") == "" {
		t.Errorf("returned without a word: %v", err)
	}
	w.move(r.ID, "return", false)
	a := w.get(r.ID)
	if a.Reason != "执照不清楚" || a.Fix != "请重新拍照上传。" {
		t.Errorf("the applicant reads %q, %q", a.Reason, a.Fix)
	}
	d := a.Doc
	d.Outlets[0].Territory = jianxi // another city: not this office's to take
	if err := w.store.Save(w.ctx, by, r.ID, a.Version, d, true); !errors.As(err, &fields) {
		t.Errorf("moved to another city: %v", err)
	}
	w.move(r.ID, "submit", true)
	w.move(r.ID, "withdraw", true)
	if got := w.get(r.ID).Stage; got != merchant.StageEnded {
		t.Errorf("withdrawn: %s", got)
	}
}

func TestLink(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r, err := w.store.Apply(w.ctx, document(jinshui))
	w.must(err)
	other, err := w.store.Apply(w.ctx, document(erqi))
	w.must(err)
	if a, err := w.store.ByToken(w.ctx, r.Number, r.Token); err != nil || a.ID != r.ID {
		t.Errorf("own link: %v", err)
	}
	for _, wrong := range [][2]string{{r.Number, other.Token}, {other.Number, r.Token}, {r.Number, ""}, {"", r.Token}, {r.Number, r.Token + "x"}} {
		if _, err := w.store.ByToken(w.ctx, wrong[0], wrong[1]); !errors.Is(err, merchant.ErrNotFound) {
			t.Errorf("%v: %v", wrong, err)
		}
	}
	if n := w.count(`SELECT count(*) FROM applications WHERE token_hash = $1::text::bytea OR number = $1`, r.Token); n != 0 {
		t.Error("the token itself is stored")
	}
	fresh, err := w.store.NewLink(w.ctx, by, r.ID)
	w.must(err)
	if _, err := w.store.ByToken(w.ctx, r.Number, r.Token); !errors.Is(err, merchant.ErrNotFound) {
		t.Errorf("the old link still works: %v", err)
	}
	if _, err := w.store.ByToken(w.ctx, fresh.Number, fresh.Token); err != nil {
		t.Error(err)
	}
}

// TestOfficeOfOutlets: the county's, their city's, the province's.
func TestOfficeOfOutlets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tests := []struct {
		name      string
		divisions []int32
		office    int32
	}{
		{"one county", []int32{jinshui, jinshui}, jinshui},
		{"two of a city", []int32{jinshui, erqi}, zhengz},
		{"two cities", []int32{jinshui, jianxi}, henan},
		{"a directly administered county", []int32{410225}, 410225}, // 兰考县
		{"it and its neighbour", []int32{410225, 410202}, henan},
		{"a city without counties", []int32{419001}, 419001}, // 济源市
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := w.store.Apply(w.ctx, document(tt.divisions...))
			if err != nil {
				t.Fatal(err)
			}
			if got := w.get(r.ID).OfficeID; got != w.unions[tt.office] {
				t.Errorf("office %d, want that of %d", got, tt.office)
			}
		})
	}
	var fields merchant.FieldErrors
	if _, err := w.store.Enter(w.ctx, w.account(jinshui), "电话联系", document(erqi)); !errors.As(err, &fields) {
		t.Errorf("a clerk took another county's shop: %v", err)
	}
	id, err := w.store.Enter(w.ctx, w.account(zhengz), "电话联系", document(erqi, jinshui))
	w.must(err)
	if got := w.get(id).OfficeID; got != w.unions[zhengz] {
		t.Errorf("a city clerk's: office %d", got)
	}
}

// TestNothingPersonalInTheOpen: contacts and accounts stand in no column and no
// event in the clear, and open only for their own row and key.
func TestNothingPersonalInTheOpen(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := document(jinshui)
	d.Bank = application.Bank{Holder: "李四户名", Bank: "工商银行", Account: "1702020109000012345"}
	a := w.reviewed(d)
	_, err := w.store.Accept(w.ctx, by, a.ID, a.Version, w.year())
	w.must(err)
	for _, table := range []string{"applications", "merchant_details", "events", "merchants", "changes"} {
		for _, secret := range []string{"13803710001", "1702020109000012345", "李四", "张三"} {
			if n := w.count(`SELECT count(*) FROM `+table+` r WHERE r::text LIKE '%' || $1 || '%' OR r::text LIKE '%' || encode($1::text::bytea, 'hex') || '%'`, secret); n != 0 {
				t.Errorf("%s holds %q", table, secret)
			}
		}
	}
	_, err = w.pool.Exec(w.ctx, `UPDATE merchant_details SET sealed = (SELECT sealed FROM applications LIMIT 1)`)
	w.must(err)
	got, err := w.store.Details(w.ctx, w.get(a.ID).MerchantID)
	w.must(err)
	if !got.Unreadable || got.Contact.Phone != "" {
		t.Errorf("a value copied to another row opens: %+v", got)
	}
	retired := application.New(application.Options{DB: w.pool, Files: w.files, Clock: w.clock.Now,
		Vault: application.NewVault(func() []application.VaultKey { return []application.VaultKey{{ID: 2, Secret: make([]byte, 32)}} })})
	if b, err := retired.Get(w.ctx, a.ID); err != nil || !b.Unreadable || b.Doc.LegalName == "" {
		t.Errorf("without its key: %+v, %v", b, err)
	}
}

func TestDetailsTwoClerks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, err := merchant.NewStore(w.pool, w.clock.Now).CreateMerchant(w.ctx, by, merchant.NewMerchant{
		OfficeID: w.unions[jinshui], Name: "老字号", Trade: merchant.TradeShopping})
	w.must(err)
	first := application.Details{Code: goodCode, Contact: application.Contact{Name: "李四", Phone: "13803710001"}}
	w.must(w.store.SetDetails(w.ctx, by, id, 0, first))
	var conflict *application.ConflictError
	if err := w.store.SetDetails(w.ctx, by, id, 0, application.Details{}); !errors.As(err, &conflict) || len(conflict.Changes) == 0 {
		t.Errorf("the second clerk: %v", err)
	}
	var fields merchant.FieldErrors
	if err := w.store.SetDetails(w.ctx, by, id, 1, application.Details{Code: "91410000170001401E"}); !errors.As(err, &fields) {
		t.Errorf("a wrong code: %v", err)
	}
	if err := w.store.SetDetails(w.ctx, by, id+99, 0, first); !errors.Is(err, merchant.ErrNotFound) {
		t.Errorf("an absent merchant: %v", err)
	}
}

// TestPrune: what was never sent goes after a week, and nothing else.
func TestPrune(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	unsent, err := w.store.Apply(w.ctx, document(jinshui))
	w.must(err)
	w.must(w.addFile(unsent.ID, "licence", true))
	sent := w.apply(document(jinshui))
	entered, err := w.store.Enter(w.ctx, w.account(jinshui), "电话联系", document(jinshui))
	w.must(err)
	if n, err := w.store.Prune(w.ctx); n != 0 || err != nil {
		t.Errorf("at once: %d, %v", n, err)
	}
	w.clock.add(8 * 24 * time.Hour)
	if n, err := w.store.Prune(w.ctx); n != 1 || err != nil {
		t.Errorf("after a week: %d, %v", n, err)
	}
	if _, err := w.store.Get(w.ctx, unsent.ID); !errors.Is(err, merchant.ErrNotFound) {
		t.Errorf("the unsent one: %v", err)
	}
	if n := w.count(`SELECT count(*) FROM files WHERE object_id = $1`, unsent.ID); n != 0 {
		t.Errorf("%d of its files", n)
	}
	w.get(sent.ID)
	w.get(entered)
}

// TestListScope: an office sees its own and what lies below, nothing beside, and
// no public draft.
func TestListScope(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mine := w.apply(document(jinshui))
	w.apply(document(jianxi))
	_, err := w.store.Apply(w.ctx, document(jinshui)) // not sent
	w.must(err)
	for division, want := range map[int32]int{jinshui: 1, zhengz: 1, erqi: 0, henan: 2, luoyang: 1} {
		rows, err := w.store.List(w.ctx, w.account(division).Path, application.Filter{}, keyset.Page{Sort: "id", Desc: true, Limit: 10})
		if err != nil || len(rows) != want {
			t.Errorf("%d sees %d, %v; want %d", division, len(rows), err, want)
		}
	}
	for text, want := range map[string]int{"宇通": 1, goodCode[3:9]: 1, mine.Number: 1, "%": 0, "_": 0, `\`: 0, "无": 0, strings.Repeat("长", 10<<10): 0} {
		rows, err := w.store.List(w.ctx, w.account(jinshui).Path, application.Filter{Text: text}, keyset.Page{Sort: "id", Limit: 10})
		if err != nil || len(rows) != want {
			t.Errorf("%.20q finds %d, %v; want %d", text, len(rows), err, want)
		}
	}
	waiting, err := w.store.Waiting(w.ctx, w.unions[jinshui])
	w.must(err)
	if diff := cmp.Diff(application.Waiting{Submitted: 1}, waiting); diff != "" {
		t.Error(diff)
	}
	if _, err := merchant.Locate(context.WithoutCancel(w.ctx), w.pool, "application", mine.ID+1); err != nil {
		t.Errorf("the other city's: %v", err)
	}
	if _, err := merchant.Locate(w.ctx, w.pool, "application", mine.ID+2); !errors.Is(err, merchant.ErrNotFound) {
		t.Errorf("an unsent draft is located: %v", err)
	}
}
