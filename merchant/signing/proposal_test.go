package signing_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"unioncard/card/union/staff"
	"unioncard/merchant"
	"unioncard/merchant/signing"
)

// noteKind is a kind whose fingerprint is a union's name, and which, approved,
// renames that union.
func noteKind() signing.Kind {
	return signing.Kind{
		Name: "test.rename", Title: "改名", Right: staff.WriteContract,
		Fingerprint: func(ctx context.Context, tx pgx.Tx, object string, _ json.RawMessage) (name string, err error) {
			id, _ := signing.ObjectID(object, "union")
			err = tx.QueryRow(ctx, `SELECT name FROM unions WHERE id = $1`, id).Scan(&name)
			return name, err
		},
		Apply: func(ctx context.Context, tx pgx.Tx, _ merchant.By, p *signing.Proposal) error {
			var name string
			if err := p.Decode(&name); err != nil {
				return err
			}
			id, _ := signing.ObjectID(p.Object, "union")
			_, err := tx.Exec(ctx, `UPDATE unions SET name = $2, version = version + 1 WHERE id = $1`, id, name)
			return err
		},
	}
}

func (w *world) object() string {
	var s string
	w.one(&s, `SELECT 'union:' || $1::bigint`, w.county)
	return s
}

// propose proposes to rename the county's union.
func (w *world) propose(s *signing.Store, maker *staff.Account) int64 {
	w.t.Helper()
	id, err := s.Propose(w.ctx, maker, "test.rename", w.object(), w.county, "金水区职工之家", "改得更亲切")
	w.must(err)
	return id
}

func TestApproval(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.desk(noteKind())
	maker, checker := w.account(w.county, staff.Negotiator), w.account(w.county, staff.Approver)
	id := w.propose(s, maker)

	waiting, err := s.Waiting(w.ctx, checker, 10)
	w.must(err)
	if len(waiting) != 1 || waiting[0].ID != id || waiting[0].Title != "改名" || waiting[0].Office != "金水区总工会" {
		t.Errorf("waiting: %+v", waiting)
	}
	w.must(s.Decide(w.ctx, checker, id, true, "同意"))
	p, err := s.Get(w.ctx, id)
	w.must(err)
	if p.State != signing.Approved || p.CheckerID != checker.ID || p.Decision != "同意" || !p.DecidedAt.Equal(noon) {
		t.Errorf("decided: %+v", p)
	}
	if n := w.count(`SELECT count(*) FROM unions WHERE id = $1 AND name = '金水区职工之家'`, w.county); n != 1 {
		t.Error("what was approved was not carried out")
	}
	var actions []string
	w.one(&actions, `SELECT array_agg(action || ' ' || reason ORDER BY id) FROM events WHERE object_kind = 'proposal'`)
	if diff := cmp.Diff([]string{"proposal.make 改得更亲切", "proposal.approve 同意"}, actions); diff != "" {
		t.Error(diff)
	}
	// Whatever comes later finds it decided.
	var move *merchant.MoveError
	if err := s.Decide(w.ctx, checker, id, false, "又不同意"); !errors.As(err, &move) || move.From != "approved" {
		t.Errorf("a second decision: %v", err)
	}
	if err := s.Withdraw(w.ctx, maker, id, "撤回"); !errors.As(err, &move) {
		t.Errorf("withdrawing what was decided: %v", err)
	}
}

// TestWhoDecides is the checker rule, case by case.
func TestWhoDecides(t *testing.T) {
	t.Parallel()
	both := []staff.Role{staff.Negotiator, staff.Approver}
	tests := []struct {
		name string
		// setup returns who tries to decide the county's proposal by maker.
		setup func(w *world, maker *staff.Account) *staff.Account
		want  error
	}{
		{"a colleague", func(w *world, _ *staff.Account) *staff.Account { return w.account(w.county, both...) }, nil},
		{"the maker", func(_ *world, maker *staff.Account) *staff.Account { return maker }, signing.ErrOwnProposal},
		{"the maker, moved up", func(w *world, maker *staff.Account) *staff.Account {
			w.exec(`UPDATE staff SET union_id = $2 WHERE id = $1`, maker.ID, w.city)
			return maker
		}, signing.ErrOwnProposal},
		{"the city, as the county has nobody else", func(w *world, _ *staff.Account) *staff.Account {
			return w.account(w.city, staff.Approver)
		}, nil},
		{"the city, while the county has somebody", func(w *world, _ *staff.Account) *staff.Account {
			w.account(w.county, staff.Approver)
			return w.account(w.city, staff.Approver)
		}, signing.ErrNotYours},
		{"the city, as the county's second person is disabled", func(w *world, _ *staff.Account) *staff.Account {
			w.exec(`UPDATE staff SET disabled = true WHERE id = $1`, w.account(w.county, staff.Approver).ID)
			return w.account(w.city, staff.Approver)
		}, nil},
		{"the province, while the city has somebody", func(w *world, _ *staff.Account) *staff.Account {
			w.account(w.city, staff.Approver)
			return w.account(w.province, staff.Approver)
		}, signing.ErrNotYours},
		{"the province, as nobody below may", func(w *world, _ *staff.Account) *staff.Account {
			w.account(w.county, staff.Negotiator)
			return w.account(w.province, staff.Approver)
		}, nil},
		{"a sibling county", func(w *world, _ *staff.Account) *staff.Account {
			return w.account(w.sibling, staff.Approver)
		}, merchant.ErrNotFound},
		{"a colleague without the role", func(w *world, _ *staff.Account) *staff.Account {
			return w.account(w.county, staff.Negotiator)
		}, signing.ErrNotYours},
		{"a colleague who lost the role after signing in", func(w *world, _ *staff.Account) *staff.Account {
			a := w.account(w.county, staff.Approver)
			w.exec(`UPDATE staff SET roles = '{negotiator}' WHERE id = $1`, a.ID)
			return a
		}, signing.ErrNotYours},
		{"a colleague who was disabled after signing in", func(w *world, _ *staff.Account) *staff.Account {
			a := w.account(w.county, staff.Approver)
			w.exec(`UPDATE staff SET disabled = true WHERE id = $1`, a.ID)
			return a
		}, signing.ErrNotYours},
		{"a colleague who moved away after signing in", func(w *world, _ *staff.Account) *staff.Account {
			a := w.account(w.county, staff.Approver)
			w.exec(`UPDATE staff SET union_id = $2 WHERE id = $1`, a.ID, w.sibling)
			return a
		}, merchant.ErrNotFound},
		{"somebody who moved here", func(w *world, _ *staff.Account) *staff.Account {
			a := w.account(w.sibling, staff.Approver)
			w.exec(`UPDATE staff SET union_id = $2 WHERE id = $1`, a.ID, w.county)
			return a
		}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			s := w.desk(noteKind())
			maker := w.account(w.county, both...)
			id := w.propose(s, maker)
			who := tt.setup(w, maker)
			if err := s.Decide(w.ctx, who, id, true, "同意"); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			want := signing.Waiting
			if tt.want == nil {
				want = signing.Approved
			}
			if p, err := s.Get(w.ctx, id); err != nil || p.State != want {
				t.Errorf("%s (%v), want %s", p.State, err, want)
			}
		})
	}
}

// TestWaitingAgreesWithDecide: what a list offers can be decided, and only that.
func TestWaitingAgreesWithDecide(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.desk(noteKind())
	maker := w.account(w.county, staff.Negotiator, staff.Approver)
	city, province := w.account(w.city, staff.Approver), w.account(w.province, staff.Approver)
	id := w.propose(s, maker)
	offered := func(a *staff.Account) int {
		t.Helper()
		n, err := s.WaitingCount(w.ctx, a)
		w.must(err)
		list, err := s.Waiting(w.ctx, a, 10)
		w.must(err)
		if len(list) != n {
			t.Errorf("%d counted, %d listed", n, len(list))
		}
		return n
	}
	if m, c, p := offered(maker), offered(city), offered(province); m != 0 || c != 1 || p != 0 {
		t.Errorf("offered to maker %d, city %d, province %d", m, c, p)
	}
	got, err := s.Get(w.ctx, id)
	w.must(err)
	d, err := s.Desk(w.ctx, got)
	w.must(err)
	if diff := cmp.Diff(&signing.Desk{UnionID: w.city, Union: "郑州市总工会", Names: []string{"王小明"}}, d); diff != "" || !d.Upper(got) {
		t.Error(diff)
	}
	colleague := w.account(w.county, staff.Approver)
	if c, l := offered(city), offered(colleague); c != 0 || l != 1 {
		t.Errorf("offered to city %d, colleague %d", c, l)
	}
	w.exec(`UPDATE staff SET disabled = true WHERE id <> $1`, maker.ID)
	if d, err = s.Desk(w.ctx, got); err != nil || d.UnionID != 0 || d.Upper(got) {
		t.Errorf("nobody is left, but %+v, %v", d, err)
	}
}

func TestStaleApprovalIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.desk(noteKind())
	maker, checker := w.account(w.county, staff.Negotiator), w.account(w.county, staff.Approver)
	id := w.propose(s, maker)
	w.exec(`UPDATE unions SET name = '别人改了' WHERE id = $1`, w.county)
	if err := s.Decide(w.ctx, checker, id, true, "同意"); !errors.Is(err, signing.ErrStale) {
		t.Fatalf("got %v", err)
	}
	p, err := s.Get(w.ctx, id)
	w.must(err)
	if fresh, err := s.Fresh(w.ctx, p); err != nil || fresh {
		t.Errorf("fresh: %v, %v", fresh, err)
	}
	// It can still be declined, and then proposed anew.
	w.must(s.Decide(w.ctx, checker, id, false, "内容已变"))
	w.propose(s, maker)
}

func TestProposeRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.desk(noteKind())
	maker := w.account(w.county, staff.Negotiator)
	try := func(a *staff.Account, office int64, reason string) error {
		_, err := s.Propose(w.ctx, a, "test.rename", w.object(), office, "新名", reason)
		return err
	}
	var fields merchant.FieldErrors
	for _, reason := range []string{"", " \t", strings.Repeat("长", 501)} {
		if err := try(maker, w.county, reason); !errors.As(err, &fields) || fields.On("reason") == "" {
			t.Errorf("reason %.10q: %v", reason, err)
		}
	}
	if err := try(maker, w.sibling, "越权"); !errors.Is(err, merchant.ErrNotFound) {
		t.Errorf("another county's office: %v", err)
	}
	if err := try(maker, 1<<40, "越权"); !errors.Is(err, merchant.ErrNotFound) {
		t.Errorf("an office that does not exist: %v", err)
	}
	if err := try(w.account(w.county, staff.Auditor), w.county, "越权"); !errors.Is(err, signing.ErrNotYours) {
		t.Errorf("an auditor: %v", err)
	}
	w.must(try(maker, w.county, "第一次"))
	if err := try(maker, w.county, "第二次"); !errors.Is(err, signing.ErrAlreadyWaiting) {
		t.Errorf("twice: %v", err)
	}
	if _, err := s.Propose(w.ctx, maker, "no.such", w.object(), w.county, nil, "无此类"); err == nil {
		t.Error("an unknown kind was taken")
	}
	if n := w.count(`SELECT count(*) FROM events WHERE action = 'proposal.make'`); n != 1 {
		t.Errorf("%d events of proposals, want 1", n)
	}
}

func TestWithdraw(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.desk(noteKind())
	maker, colleague := w.account(w.county, staff.Negotiator), w.account(w.county, staff.Negotiator, staff.Approver)
	id := w.propose(s, maker)
	if err := s.Withdraw(w.ctx, colleague, id, "不要了"); !errors.Is(err, signing.ErrNotYours) {
		t.Errorf("by a colleague: %v", err)
	}
	if err := s.Withdraw(w.ctx, w.account(w.sibling, staff.Negotiator), id, "不要了"); !errors.Is(err, merchant.ErrNotFound) {
		t.Errorf("from elsewhere: %v", err)
	}
	w.exec(`UPDATE staff SET roles = '{auditor}' WHERE id = $1`, maker.ID)
	if err := s.Withdraw(w.ctx, maker, id, "不要了"); !errors.Is(err, signing.ErrNotYours) {
		t.Errorf("by the maker, an auditor by now: %v", err)
	}
	w.exec(`UPDATE staff SET roles = '{negotiator}' WHERE id = $1`, maker.ID)
	w.must(s.Withdraw(w.ctx, maker, id, "不要了"))
	p, err := s.Get(w.ctx, id)
	w.must(err)
	if p.State != signing.Withdrawn || p.Decision != "不要了" {
		t.Errorf("%+v", p)
	}
	var move *merchant.MoveError
	if err := s.Decide(w.ctx, colleague, id, true, "同意"); !errors.As(err, &move) {
		t.Errorf("approving what was withdrawn: %v", err)
	}
}

// TestTwoCheckersAtOnce: of many decisions at once one counts, and what it
// decided is carried out once.
func TestTwoCheckersAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.desk(noteKind())
	id := w.propose(s, w.account(w.county, staff.Negotiator))
	const n = 8
	var wg sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		checker := w.account(w.county, staff.Approver)
		wg.Add(1)
		go func() {
			defer wg.Done()
			errs[i] = s.Decide(w.ctx, checker, id, i%2 == 0, "各自决定")
		}()
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		var move *merchant.MoveError
		switch {
		case err == nil:
			won++
		case !errors.As(err, &move):
			t.Errorf("a loser got %v", err)
		}
	}
	if won != 1 || w.count(`SELECT count(*) FROM events WHERE action IN ('proposal.approve', 'proposal.decline')`) != 1 {
		t.Errorf("%d decisions counted", won)
	}
}

// TestFailedApplyLeavesItWaiting: an approval that cannot be carried out is none.
func TestFailedApplyLeavesItWaiting(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	boom := errors.New("cannot")
	kind := noteKind()
	apply := kind.Apply
	kind.Apply = func(ctx context.Context, tx pgx.Tx, b merchant.By, p *signing.Proposal) error {
		if err := apply(ctx, tx, b, p); err != nil {
			return err
		}
		return boom // as if the process died after the change
	}
	s := w.desk(kind)
	id := w.propose(s, w.account(w.county, staff.Negotiator))
	if err := s.Decide(w.ctx, w.account(w.county, staff.Approver), id, true, "同意"); !errors.Is(err, boom) {
		t.Fatalf("got %v", err)
	}
	p, err := s.Get(w.ctx, id)
	w.must(err)
	if p.State != signing.Waiting || w.count(`SELECT count(*) FROM unions WHERE name = '金水区职工之家'`) != 0 {
		t.Errorf("half of it stayed: %s", p.State)
	}
}
