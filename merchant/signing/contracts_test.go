package signing_test

import (
	"bytes"
	"errors"
	"image"
	"image/png"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"unioncard/card/union/staff"
	"unioncard/merchant"
	"unioncard/merchant/draft"
	"unioncard/merchant/file"
	"unioncard/merchant/signing"
	"unioncard/merchant/terms"
)

// office is a county's office with two people, and the work they share.
type office struct {
	*world
	proposals *signing.Store
	contracts *signing.Contracts
	files     *file.Store
	maker     *staff.Account
	checker   *staff.Account
}

func newOffice(t testing.TB) *office {
	t.Helper()
	w := newWorld(t)
	o := &office{world: w, proposals: signing.New(w.db, signing.Options{Clock: w.clock.Now, Kinds: signing.Kinds(w.clock.Now)})}
	var err error
	o.files, err = file.New(file.Options{DB: w.db, Dir: t.TempDir(), Clock: w.clock.Now})
	w.must(err)
	o.contracts = signing.NewContracts(w.db, w.clock.Now, o.proposals, o.files)
	o.maker, o.checker = w.account(w.county, staff.Negotiator), w.account(w.county, staff.Approver)
	return o
}

// percent is Terms of one offer: rate in basis points of the price paid.
func percent(rate int) *terms.Terms {
	return &terms.Terms{V: terms.Version, Offers: []terms.Offer{{ID: "off", Title: "会员折扣", FundingBP: 10000,
		Benefit: terms.Benefit{Kind: terms.KindPercent, RateBP: int64(rate)}}}}
}

func canonical(t testing.TB, doc *terms.Terms) []byte {
	t.Helper()
	b, err := doc.Canonical()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// contract is a draft contract of 2026 with a shop.
func (o *office) contract(clause bool) int64 {
	o.t.Helper()
	m, err := o.merchants.CreateMerchant(o.ctx, by, merchant.NewMerchant{OfficeID: o.county, Name: "老郑州烩面", Trade: merchant.TradeCatering})
	o.must(err)
	_, err = o.merchants.CreateOutlet(o.ctx, by, merchant.NewOutlet{MerchantID: m, Name: "花园路店", Territory: 410105})
	o.must(err)
	id, err := o.merchants.CreateContract(o.ctx, by, merchant.NewContract{MerchantID: m, OfficeID: o.county,
		ValidFrom: noon.AddDate(0, 0, -1), ValidUntil: noon.AddDate(1, 0, 0), RefundTail: 30 * 24 * time.Hour, FloorClause: clause})
	o.must(err)
	return id
}

// write makes doc the contract's draft.
func (o *office) write(contract int64, doc *terms.Terms) {
	o.t.Helper()
	drafts := draft.NewStore(o.db, o.clock.Now)
	version, err := drafts.Version(o.ctx, draft.ContractObject(contract))
	o.must(err)
	_, err = drafts.Save(o.ctx, by, draft.ContractObject(contract), doc, version)
	o.must(err)
}

func (o *office) propose(contract int64, effective time.Time) int64 {
	o.t.Helper()
	id, err := o.contracts.ProposeTerms(o.ctx, o.maker, contract, effective, "谈好了")
	o.must(err)
	return id
}

// approve has the Terms proposed and approved.
func (o *office) approve(contract int64, effective time.Time) {
	o.t.Helper()
	o.must(o.proposals.Decide(o.ctx, o.checker, o.propose(contract, effective), true, "同意"))
}

func (o *office) scan() *file.Clean {
	o.t.Helper()
	var b bytes.Buffer
	o.must(png.Encode(&b, image.NewGray(image.Rect(0, 0, 8, 8))))
	c, err := o.files.Check(o.ctx, "盖章协议.png", b.Bytes())
	o.must(err)
	return c
}

func (o *office) sign(contract int64) error {
	s, err := o.contracts.Standing(o.ctx, contract)
	o.must(err)
	return o.contracts.Sign(o.ctx, o.maker, contract, s.Agreement.Code(), o.scan())
}

// signed takes terms through approval to the stamped scan, as far as publishing.
func (o *office) signed(contract int64, doc *terms.Terms) {
	o.t.Helper()
	o.write(contract, doc)
	o.approve(contract, time.Time{})
	o.must(o.sign(contract))
}

func (o *office) stage(contract int64) merchant.Stage {
	o.t.Helper()
	s, err := o.contracts.Standing(o.ctx, contract)
	o.must(err)
	return s.Stage
}

// TestFromDraftToForce walks the whole way, and looks at the stage of each step.
func TestFromDraftToForce(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	id := o.contract(false)
	var stages []merchant.Stage
	note := func() { stages = append(stages, o.stage(id)) }
	note()
	o.write(id, percent(8800))
	p := o.propose(id, time.Time{})
	note()
	o.must(o.proposals.Decide(o.ctx, o.checker, p, true, "同意"))
	note()
	if _, err := o.contracts.Publish(o.ctx, o.maker, id); !errors.Is(err, signing.ErrNotSigned) {
		t.Errorf("published unsigned: %v", err)
	}
	o.must(o.sign(id))
	note()
	out, err := o.contracts.Publish(o.ctx, o.maker, id)
	o.must(err)
	note()
	want := []merchant.Stage{merchant.StageNegotiating, merchant.StageAwaitingApproval, merchant.StageAwaitingSignature,
		merchant.StageAwaitingSignature, merchant.StageActive}
	if diff := cmp.Diff(want, stages); diff != "" {
		t.Error(diff)
	}
	sum, err := merchant.TermsSum(canonical(t, percent(8800)))
	o.must(err)
	if out.Version != 1 || out.SHA256 != sum {
		t.Errorf("published %+v", out)
	}
	s, err := o.contracts.Standing(o.ctx, id)
	o.must(err)
	if s.Draft != nil || s.Approved != nil || s.Outdated {
		t.Errorf("left over: %+v", s)
	}
	if _, err := o.contracts.Publish(o.ctx, o.maker, id); !errors.Is(err, signing.ErrNotApproved) {
		t.Errorf("published twice: %v", err)
	}
}

// TestAmendment: a second version goes the same way and binds from its day, or from
// its publishing if signing took longer.
func TestAmendment(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	id := o.contract(false)
	o.inForce(id, percent(9000))
	for i, published := range []time.Time{noon.AddDate(0, 0, 1), noon.AddDate(0, 0, 40)} {
		effective := noon.AddDate(0, 0, 20+10*i)
		o.write(id, percent(8800-100*i))
		o.approve(id, effective)
		o.must(o.sign(id))
		o.clock.set(published)
		out, err := o.contracts.Publish(o.ctx, o.maker, id)
		o.must(err)
		want := effective
		if published.After(effective) {
			want = published
		}
		if out.Version != int32(i+2) || !out.Effective.Equal(want) {
			t.Errorf("version %d from %s, want %s", out.Version, out.Effective, want)
		}
	}
	versions, err := o.contracts.Versions(o.ctx, id)
	o.must(err)
	if len(versions) != 3 || versions[0].Version != 3 || !versions[1].Until.Equal(versions[0].From) || versions[0].ByName != "王小明" {
		t.Errorf("versions: %+v", versions)
	}
}

// inForce takes a contract all the way with Terms.
func (o *office) inForce(contract int64, doc *terms.Terms) {
	o.t.Helper()
	o.signed(contract, doc)
	_, err := o.contracts.Publish(o.ctx, o.maker, contract)
	o.must(err)
}

func (o *office) floor(rate, days int) {
	o.t.Helper()
	_, err := o.merchants.PublishFloor(o.ctx, by, merchant.NewFloor{Trade: merchant.TradeCatering,
		Terms: canonical(o.t, percent(rate)), DeadlineDays: days})
	o.must(err)
}

// TestBelowTheFloor: what is below is refused when it is proposed, with the basket,
// and again at each later step if the floor has risen meanwhile.
func TestBelowTheFloor(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.floor(9000, 30)
	id := o.contract(false)
	o.write(id, percent(9500))
	var below *merchant.BelowFloorError
	_, err := o.contracts.ProposeTerms(o.ctx, o.maker, id, time.Time{}, "试一试")
	if !errors.As(err, &below) || below.Comparison.Counterexample == nil || below.Comparison.LocalFen >= below.Comparison.FloorFen {
		t.Fatalf("proposed: %v", err)
	}
	if n := o.count(`SELECT count(*) FROM proposals`) + o.count(`SELECT count(*) FROM contract_terms`); n != 0 {
		t.Errorf("a refused proposal left %d rows", n)
	}
	o.write(id, percent(8800))
	p := o.propose(id, time.Time{})
	if n := o.count(`SELECT count(*) FROM contract_terms`) + o.count(`SELECT count(*) FROM contract_outlets`); n != 0 {
		t.Errorf("the dry run left %d rows", n)
	}
	o.clock.set(noon.Add(time.Hour))
	o.floor(8500, 30)
	if err := o.proposals.Decide(o.ctx, o.checker, p, true, "同意"); !errors.As(err, &below) {
		t.Errorf("approved: %v", err)
	}
	o.must(o.proposals.Decide(o.ctx, o.checker, p, false, "低于新底线"))
	o.signed(id, percent(8500))
	o.clock.set(noon.Add(2 * time.Hour))
	o.floor(8000, 30)
	if _, err := o.contracts.Publish(o.ctx, o.maker, id); !errors.As(err, &below) {
		t.Errorf("published: %v", err)
	}
	if o.stage(id) != merchant.StageAwaitingSignature {
		t.Errorf("a refused publishing left %s", o.stage(id))
	}
}

// TestWhatWasApprovedIsWhatIsPublished: whatever of the agreement changes after the
// approval, no signature and no publishing follows.
func TestWhatWasApprovedIsWhatIsPublished(t *testing.T) {
	t.Parallel()
	tests := map[string]func(o *office, id int64){
		"the terms":        func(o *office, id int64) { o.write(id, percent(8700)) },
		"no terms":         func(o *office, id int64) { o.discard(id) },
		"the floor clause": func(o *office, id int64) { o.edit(id, func(e *merchant.ContractEdit) { e.FloorClause = true }) },
		"the validity": func(o *office, id int64) {
			o.edit(id, func(e *merchant.ContractEdit) { e.ValidUntil = e.ValidUntil.AddDate(1, 0, 0) })
		},
		"the refund tail":     func(o *office, id int64) { o.edit(id, func(e *merchant.ContractEdit) { e.RefundTail += time.Hour }) },
		"the merchant's name": func(o *office, _ int64) { o.exec(`UPDATE merchants SET name = '别的名字'`) },
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, signed := range []bool{false, true} {
				o := newOffice(t)
				id := o.contract(false)
				o.write(id, percent(8800))
				o.approve(id, time.Time{})
				if signed {
					o.must(o.sign(id))
				}
				code := o.code(id)
				spoil(o, id)
				s, err := o.contracts.Standing(o.ctx, id)
				o.must(err)
				if s.Stage != merchant.StageNegotiating || !s.Outdated {
					t.Errorf("stage %s, outdated %v", s.Stage, s.Outdated)
				}
				if err := o.contracts.Sign(o.ctx, o.maker, id, code, o.scan()); !errors.Is(err, signing.ErrStale) {
					t.Errorf("signed: %v", err)
				}
				if _, err := o.contracts.Publish(o.ctx, o.maker, id); !errors.Is(err, signing.ErrStale) {
					t.Errorf("published: %v", err)
				}
			}
		})
	}
}

func (o *office) code(contract int64) string {
	o.t.Helper()
	s, err := o.contracts.Standing(o.ctx, contract)
	o.must(err)
	return s.Agreement.Code()
}

func (o *office) discard(contract int64) {
	o.t.Helper()
	drafts := draft.NewStore(o.db, o.clock.Now)
	version, err := drafts.Version(o.ctx, draft.ContractObject(contract))
	o.must(err)
	o.must(drafts.Discard(o.ctx, by, draft.ContractObject(contract), version))
}

func (o *office) edit(contract int64, f func(*merchant.ContractEdit)) {
	o.t.Helper()
	c, err := o.merchants.Contract(o.ctx, contract)
	o.must(err)
	e := merchant.ContractEdit{ValidFrom: c.ValidFrom, ValidUntil: c.ValidUntil, RefundTail: c.RefundUntil.Sub(c.ValidUntil), FloorClause: c.FloorClause}
	f(&e)
	o.must(o.merchants.EditContract(o.ctx, by, contract, c.Version, e))
}

func TestSignRefuses(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	id := o.contract(false)
	o.write(id, percent(8800))
	if err := o.contracts.Sign(o.ctx, o.maker, id, "00000000", o.scan()); !errors.Is(err, signing.ErrNotApproved) {
		t.Errorf("before any approval: %v", err)
	}
	o.approve(id, time.Time{})
	code := o.code(id)
	var fields merchant.FieldErrors
	for _, wrong := range []string{"", "0", strings.Repeat("0", 8), code + code, "' OR 1=1"} {
		if err := o.contracts.Sign(o.ctx, o.maker, id, wrong, o.scan()); !errors.As(err, &fields) || fields.On("code") == "" {
			t.Errorf("code %q: %v", wrong, err)
		}
	}
	for who, want := range map[*staff.Account]error{
		o.checker: signing.ErrNotYours, o.account(o.sibling, staff.Negotiator): merchant.ErrNotFound,
		o.account(o.county, staff.Auditor): signing.ErrNotYours,
	} {
		if err := o.contracts.Sign(o.ctx, who, id, code, o.scan()); !errors.Is(err, want) {
			t.Errorf("by %v: %v", who.Roles, err)
		}
		if _, err := o.contracts.Publish(o.ctx, who, id); !errors.Is(err, want) {
			t.Errorf("published by %v: %v", who.Roles, err)
		}
	}
	o.must(o.contracts.Sign(o.ctx, o.maker, id, " "+strings.ToUpper(code)+" ", o.scan()))
	if n := o.count(`SELECT count(*) FROM events WHERE action = 'contract.sign'`); n != 1 {
		t.Errorf("%d events of signing", n)
	}
	scans, err := o.contracts.Scans(o.ctx, id)
	o.must(err)
	if len(scans) != 1 || scans[0].FileID == 0 || !strings.HasSuffix(scans[0].TermsSHA256, code) {
		t.Errorf("scans: %+v", scans)
	}
	approved, err := o.proposals.Of(o.ctx, draft.ContractObject(id))
	o.must(err)
	if c, err := o.contracts.Show(o.ctx, id); err != nil || len(approved) != 1 || approved[0].Merchant != c.Merchant {
		t.Errorf("proposals of %+v: %+v %v", c, approved, err)
	}
}

func TestProposeTermsRefuses(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	id := o.contract(false)
	if _, err := o.contracts.ProposeTerms(o.ctx, o.maker, id, time.Time{}, "没有草稿"); !errors.Is(err, draft.ErrNotFound) {
		t.Errorf("without a draft: %v", err)
	}
	if _, err := o.contracts.ProposeTerms(o.ctx, o.maker, 1<<40, time.Time{}, "没有协议"); !errors.Is(err, merchant.ErrNotFound) {
		t.Errorf("no contract: %v", err)
	}
	var invalid *merchant.InvalidError
	o.write(id, &terms.Terms{V: terms.Version, Offers: []terms.Offer{}})
	if _, err := o.contracts.ProposeTerms(o.ctx, o.maker, id, time.Time{}, "没有优惠"); !errors.As(err, &invalid) {
		t.Errorf("terms without offers: %v", err)
	}
	o.write(id, percent(8800))
	if _, err := o.contracts.ProposeTerms(o.ctx, o.account(o.sibling, staff.Negotiator), id, time.Time{}, "越权"); !errors.Is(err, merchant.ErrNotFound) {
		t.Errorf("from elsewhere: %v", err)
	}
	// A contract of the same outlets in force at that time stands in the way.
	other := o.contract(false)
	o.exec(`UPDATE contracts SET merchant_id = (SELECT merchant_id FROM contracts WHERE id = $1) WHERE id = $2`, id, other)
	o.inForce(other, percent(8800))
	var overlap *merchant.OverlapError
	if _, err := o.contracts.ProposeTerms(o.ctx, o.maker, id, time.Time{}, "重叠"); !errors.As(err, &overlap) {
		t.Errorf("overlapping: %v", err)
	}
	o.clock.set(noon.AddDate(2, 0, 0))
	var fields merchant.FieldErrors
	if _, err := o.contracts.ProposeTerms(o.ctx, o.maker, id, time.Time{}, "过期"); !errors.As(err, &fields) || fields.On("valid_until") == "" {
		t.Errorf("a validity that is over: %v", err)
	}
}
