package member_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"pgregory.net/rapid"

	"unioncard/card"
	"unioncard/card/member"
	"unioncard/card/personal"
	"unioncard/card/union"
	"unioncard/card/union/keyset"
	"unioncard/migrations/pgtest"
)

var until = card.MonthOf(time.Now()) + 24

// both checks that each of two unions, and nobody else, sees a transfer.
func both(t *testing.T, w *world, id int64, want member.TransferState) {
	t.Helper()
	for u, sees := range map[*union.Union]bool{&w.here: true, &w.far: true, &w.there: false} {
		list, err := w.members.Transfers(t.Context(), u.Path, member.TransferFilter{}, keyset.Page{Limit: 50})
		if err != nil {
			t.Fatal(err)
		}
		if got := slices.ContainsFunc(list, func(x member.Transfer) bool { return x.ID == id && x.State == want }); got != sees {
			t.Errorf("union %d sees the transfer as %s: %v, want %v", u.ID, want, got, sees)
		}
	}
}

// A transfer takes the card along: its territory changes with its feed row, its
// number and serial stay.
func TestTransfer(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	w := newWorld(t, pgtest.Tx(t))
	id := w.register(t, w.here, 1)
	issued, err := w.cards.Issue(ctx, by, id, until)
	if err != nil {
		t.Fatal(err)
	}
	transfer, err := w.members.RequestTransfer(ctx, by, id, w.far.ID)
	if err != nil {
		t.Fatal(err)
	}
	both(t, w, transfer, member.Requested)
	for name, try := range map[string]struct {
		err  error
		want error
	}{
		"a second one": {errOf(w.members.RequestTransfer(ctx, by, id, w.there.ID)), member.ErrMoving},
		"to the own":   {errOf(w.members.RequestTransfer(ctx, by, id, w.here.ID)), member.ErrHere},
		"to a county":  {errOf(w.members.RequestTransfer(ctx, by, id, w.ids[410102])), member.ErrUnion},
		"of nobody":    {errOf(w.members.RequestTransfer(ctx, by, 1<<40, w.far.ID)), member.ErrNotFound},
		"an unknown":   {w.members.DecideTransfer(ctx, by, 1<<40, true), member.ErrNotFound},
		"another now":  {w.members.TransferNow(ctx, by, id, w.there.ID), member.ErrMoving},
	} {
		if !errors.Is(try.err, try.want) {
			t.Errorf("%s: %v", name, try.err)
		}
	}
	if err := w.members.DecideTransfer(ctx, by, transfer, true); err != nil {
		t.Fatal(err)
	}
	both(t, w, transfer, member.Done)
	moved, err := w.cards.Get(ctx, issued.Serial)
	if err != nil || moved.Territory != 410102 || moved.Number != issued.Number || moved.Version != issued.Version+1 {
		t.Errorf("the card: %+v, %v", moved, err)
	}
	var rows int
	if err := w.db.QueryRow(ctx, `SELECT count(*) FROM changes WHERE kind = 2 AND object_id = $1 AND version = $2`,
		moved.Serial, moved.Version).Scan(&rows); err != nil || rows != 1 {
		t.Errorf("%d feed rows, %v", rows, err)
	}
	if m, err := w.members.Get(ctx, id); err != nil || m.UnionID != w.far.ID || m.Transfer != 0 {
		t.Errorf("%+v, %v", m, err)
	}
	for name, err := range map[string]error{"again": w.members.DecideTransfer(ctx, by, transfer, false), "withdrawn": w.members.WithdrawTransfer(ctx, by, transfer)} {
		if !errors.Is(err, member.ErrDecided) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Back at once, by an account over both.
	if err := w.members.TransferNow(ctx, by, id, w.here.ID); err != nil {
		t.Fatal(err)
	}
	if m, err := w.members.Get(ctx, id); err != nil || m.UnionID != w.here.ID {
		t.Errorf("%+v, %v", m, err)
	}
}

func errOf[T any](_ T, err error) error { return err }

// After 15 days without an answer a transfer goes through; not a moment before,
// and not to a union that has been merged meanwhile.
func TestSettleTransfers(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	tx := pgtest.Tx(t)
	w := newWorld(t, tx)
	now := time.Now().Truncate(time.Microsecond)
	members := member.NewStore(tx, w.vault, w.cards, member.Options{Clock: func() time.Time { return now }})
	moving, stranded := w.register(t, w.here, 1), w.register(t, w.here, 2)
	for id, to := range map[int64]int64{moving: w.far.ID, stranded: w.there.ID} {
		if _, err := members.RequestTransfer(ctx, by, id, to); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := tx.Exec(ctx, `UPDATE unions SET active = false WHERE id = $1`, w.there.ID); err != nil {
		t.Fatal(err)
	}
	now = now.Add(member.TransferWindow - time.Microsecond)
	if n, err := members.SettleTransfers(ctx); n != 0 || err != nil {
		t.Errorf("a moment too early: %d, %v", n, err)
	}
	now = now.Add(time.Microsecond)
	if n, err := members.SettleTransfers(ctx); n != 2 || err != nil {
		t.Errorf("settled %d, %v", n, err)
	}
	for id, want := range map[int64]struct {
		union int64
		state member.TransferState
	}{moving: {w.far.ID, member.Done}, stranded: {w.here.ID, member.Void}} {
		m, err := members.Get(ctx, id)
		if err != nil || m.UnionID != want.union || m.Transfer != 0 {
			t.Errorf("%+v, %v", m, err)
		}
		list, err := members.Transfers(ctx, "/", member.TransferFilter{MemberID: id}, keyset.Page{Limit: 5})
		if err != nil || len(list) != 1 || list[0].State != want.state || list[0].Answer == "" {
			t.Errorf("%+v, %v", list, err)
		}
	}
	if n, err := members.SettleTransfers(ctx); n != 0 || err != nil {
		t.Errorf("again: %d, %v", n, err)
	}
}

func TestLeaveAndRejoin(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	w := newWorld(t, pgtest.Tx(t))
	id := w.register(t, w.here, 1)
	c, err := w.cards.Issue(ctx, by, id, until)
	if err != nil {
		t.Fatal(err)
	}
	transfer, err := w.members.RequestTransfer(ctx, by, id, w.far.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.members.Leave(ctx, by, id); err != nil {
		t.Fatal(err)
	}
	if left, err := w.cards.Get(ctx, c.Serial); err != nil || left.Status != card.StatusLeft {
		t.Errorf("the card is %s, %v", left.Status, err)
	}
	if x, err := w.members.GetTransfer(ctx, transfer); err != nil || x.State != member.Void {
		t.Errorf("the transfer: %+v, %v", x, err)
	}
	m, err := w.members.Get(ctx, id)
	if err != nil || m.Status != member.StatusLeft || m.LeftOn.IsZero() {
		t.Errorf("%+v, %v", m, err)
	}
	// While the member is out somebody else gets the phone number.
	other := person(t, 2)
	other.Phone = person(t, 1).Phone
	second, err := w.members.Register(ctx, by, w.there.ID, other, 0)
	if err != nil {
		t.Fatal(err)
	}
	err = w.members.Rejoin(ctx, by, id, w.far.ID)
	if taken, ok := errors.AsType[*member.TakenError](err); !ok || taken.MemberID != second || taken.Field != personal.FieldPhone {
		t.Errorf("back with another's phone: %v", err)
	}
	fresh := "13700000001"
	if err := w.members.Edit(ctx, by, id, m.Version, member.Change{Phone: &fresh}); err != nil {
		t.Fatal(err)
	}
	if err := w.members.Rejoin(ctx, by, id, w.far.ID); err != nil {
		t.Fatal(err)
	}
	m, err = w.members.Get(ctx, id)
	if err != nil || m.Status != member.StatusIn || m.UnionID != w.far.ID || !m.LeftOn.IsZero() {
		t.Errorf("back: %+v, %v", m, err)
	}
	if _, err := w.cards.Issue(ctx, by, id, until); err != nil {
		t.Errorf("a new card: %v", err)
	}
	if err := w.members.Retire(ctx, by, id); err != nil {
		t.Fatal(err)
	}
	if err := w.members.Rejoin(ctx, by, id, w.here.ID); !errors.Is(err, member.ErrUnion) {
		t.Errorf("back from retirement in another union: %v", err)
	}
}

// Two registrars register the same person at once, or two persons with one phone:
// one gets in, the other is told by whom.
func TestRegisterRaces(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	w := newWorld(t, db)
	for round := range 5 {
		for field, second := range map[string]personal.Person{
			personal.FieldResidentID: person(t, 10*round+1),
			personal.FieldPhone:      {ResidentID: person(t, 10*round+2).ResidentID, Phone: person(t, 10*round+3).Phone, Name: "张三"},
		} {
			first := person(t, 10*round+1)
			if field == personal.FieldPhone {
				first = person(t, 10*round+3)
			}
			errs := atOnce(t, func(ctx context.Context) error { return errOf(w.members.Register(ctx, by, w.here.ID, first, 0)) },
				func(ctx context.Context) error { return errOf(w.members.Register(ctx, by, w.far.ID, second, 0)) })
			taken, ok := errors.AsType[*member.TakenError](errors.Join(errs...))
			if (errs[0] == nil) == (errs[1] == nil) || !ok || taken.Field != field || taken.MemberID == 0 {
				t.Errorf("%s: %v and %v", field, errs[0], errs[1])
			}
		}
	}
}

// atOnce runs functions at the same time and returns their errors.
func atOnce(t *testing.T, fns ...func(context.Context) error) []error {
	t.Helper()
	errs := make([]error, len(fns))
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i, fn := range fns {
		wg.Go(func() {
			<-start
			errs[i] = fn(t.Context())
		})
	}
	close(start)
	wg.Wait()
	return errs
}

// Two unions ask for the same member at once: one transfer is open. Both answers to
// it at once: one counts, and the member is where it says.
func TestTransferRaces(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	w := newWorld(t, pgtest.New(t))
	for round := range 5 {
		id := w.register(t, w.here, round+1)
		errs := atOnce(t, func(ctx context.Context) error { return errOf(w.members.RequestTransfer(ctx, by, id, w.far.ID)) },
			func(ctx context.Context) error { return errOf(w.members.RequestTransfer(ctx, by, id, w.there.ID)) })
		if (errs[0] == nil) == (errs[1] == nil) || !errors.Is(errors.Join(errs...), member.ErrMoving) {
			t.Fatalf("asked: %v and %v", errs[0], errs[1])
		}
		m, err := w.members.Get(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		errs = atOnce(t, func(ctx context.Context) error { return w.members.DecideTransfer(ctx, by, m.Transfer, true) },
			func(ctx context.Context) error { return w.members.DecideTransfer(ctx, by, m.Transfer, false) },
			func(ctx context.Context) error { return w.members.Leave(ctx, by, id) })
		for _, err := range errs[:2] {
			if err != nil && !errors.Is(err, member.ErrDecided) {
				t.Errorf("decided: %v", err)
			}
		}
		if errs[0] == nil && errs[1] == nil || errs[2] != nil {
			t.Errorf("decided: %v and %v, left: %v", errs[0], errs[1], errs[2])
		}
		x, err := w.members.GetTransfer(ctx, m.Transfer)
		if err != nil || x.State == member.Requested || (x.State == member.Done) != (errs[0] == nil) {
			t.Errorf("%+v, %v", x, err)
		}
		after, err := w.members.Get(ctx, id)
		if err != nil || (after.UnionID != w.here.ID) != (errs[0] == nil) || after.Status != member.StatusLeft {
			t.Errorf("%+v, %v", after, err)
		}
	}
}

// Edits at once from the same form: one is saved, the other told.
func TestEditRaces(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	w := newWorld(t, pgtest.New(t))
	id := w.register(t, w.here, 1)
	m, err := w.members.Get(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	edit := func(phone string) func(context.Context) error {
		return func(ctx context.Context) error {
			return w.members.Edit(ctx, by, id, m.Version, member.Change{Phone: &phone})
		}
	}
	errs := atOnce(t, edit("13700000001"), edit("13700000002"))
	if (errs[0] == nil) == (errs[1] == nil) || !errors.Is(errors.Join(errs...), member.ErrStale) {
		t.Errorf("%v and %v", errs[0], errs[1])
	}
}

// oracle is a member as simply as can be said.
type oracle struct {
	status member.Status
	union  int
	moving int // the union asked for, -1 without a transfer
	phone  string
	card   bool
}

// Whatever is done to three members in whatever order: each is where a simple
// reckoning says, refusals change nothing, every success is at least one event, and
// the card follows.
func TestMembersFollowTheReckoning(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	w := newWorld(t, db)
	unions := []union.Union{w.here, w.there, w.far}
	next := 100
	rapid.Check(t, func(t *rapid.T) {
		r := &reckoning{t: t, w: w, db: db, unions: unions}
		for range 3 {
			next++
			r.add(next)
		}
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			r.step()
		}
	})
}

type reckoning struct {
	t      *rapid.T
	w      *world
	db     *pgxpool.Pool
	unions []union.Union
	ids    []int64
	people []personal.Person
	want   []oracle
}

func (r *reckoning) add(n int) {
	id, err := personal.CompleteResidentID(fmt.Sprintf("4101051980%02d%02d%03d", n/28000%12+1, n/1000%28+1, n%1000))
	if err != nil {
		r.t.Fatal(err)
	}
	p := personal.Person{ResidentID: string(id), Phone: fmt.Sprintf("136%08d", n), Name: "张三"}
	member, err := r.w.members.Register(context.Background(), by, r.unions[0].ID, p, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	r.ids, r.people = append(r.ids, member), append(r.people, p)
	r.want = append(r.want, oracle{status: 1, moving: -1, phone: p.Phone})
}

// step does one thing and compares.
func (r *reckoning) step() {
	ctx, t := context.Background(), r.t
	i := rapid.IntRange(0, len(r.ids)-1).Draw(t, "who")
	u := rapid.IntRange(0, len(r.unions)-1).Draw(t, "union")
	id, o, members := r.ids[i], &r.want[i], r.w.members
	m, err := members.Get(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	before := r.events(id)
	action := rapid.SampledFrom([]string{"leave", "rejoin", "retire", "ask", "agree", "decline", "withdraw", "now", "card", "phone"}).Draw(t, "action")
	may, after := o.next(action, u)
	switch action {
	case "leave":
		err = members.Leave(ctx, by, id)
	case "rejoin":
		err = members.Rejoin(ctx, by, id, r.unions[u].ID)
	case "retire":
		err = members.Retire(ctx, by, id)
	case "ask":
		_, err = members.RequestTransfer(ctx, by, id, r.unions[u].ID)
	case "agree", "decline":
		err = members.DecideTransfer(ctx, by, m.Transfer, action == "agree")
	case "withdraw":
		err = members.WithdrawTransfer(ctx, by, m.Transfer)
	case "now":
		err = members.TransferNow(ctx, by, id, r.unions[u].ID)
	case "card":
		_, err = r.w.cards.Issue(ctx, by, id, until)
	case "phone":
		whose := rapid.IntRange(0, len(r.people)-1).Draw(t, "whose phone")
		phone := r.people[whose].Phone
		may = o.status == member.StatusLeft || !slices.ContainsFunc(r.want, func(other oracle) bool {
			return other.phone == phone && other.status.Live() && other != *o
		})
		after.phone = phone
		err = members.Edit(ctx, by, id, m.Version, member.Change{Phone: &phone})
	}
	if action == "rejoin" && may {
		may = !slices.ContainsFunc(r.want, func(other oracle) bool {
			return other.phone == o.phone && other.status.Live() && other != *o
		})
	}
	if (err == nil) != may {
		t.Fatalf("%s of %+v in union %d: %v, want it to go through: %v", action, *o, u, err, may)
	}
	changed := action != "phone" || after.phone != o.phone
	if err == nil {
		*o = after
	}
	_, told := errors.AsType[*member.TakenError](err) // who is told so leaves an event, too
	told = told && action == "phone"
	if grown := r.events(id) > before; grown != (told || err == nil && changed) {
		t.Fatalf("%s: events grew: %v, error %v", action, grown, err)
	}
	r.compare(i)
}

// next is what the oracle expects of an action, but for phone numbers.
func (o oracle) next(action string, u int) (may bool, after oracle) {
	after = o
	live := o.status.Live()
	switch action {
	case "leave":
		after.status, after.moving, after.card = member.StatusLeft, -1, false
		return live, after
	case "rejoin":
		after.status, after.union = member.StatusIn, u
		return o.status == member.StatusLeft || o.status == member.StatusRetired && u == o.union, after
	case "retire":
		after.status = member.StatusRetired
		return o.status == member.StatusIn, after
	case "ask":
		after.moving = u
		return live && u != o.union && o.moving < 0, after
	case "agree":
		after.union, after.moving = o.moving, -1
		return o.moving >= 0, after
	case "decline", "withdraw":
		after.moving = -1
		return o.moving >= 0, after
	case "now":
		after.union, after.moving = u, -1
		return live && u != o.union && (o.moving < 0 || o.moving == u), after
	case "card":
		after.card = true
		return live && !o.card, after
	}
	return true, after
}

func (r *reckoning) events(id int64) (n int64) {
	err := r.db.QueryRow(context.Background(), `SELECT count(*) FROM events WHERE object_kind = 'member' AND object_id = $1::bigint::text
		OR object_kind = 'card' AND object_id IN (SELECT serial::text FROM cards WHERE member_id = $1)`, id).Scan(&n)
	if err != nil {
		r.t.Fatal(err)
	}
	return n
}

func (r *reckoning) compare(i int) {
	ctx, t, o := context.Background(), r.t, r.want[i]
	m, err := r.w.members.Get(ctx, r.ids[i])
	if err != nil || m.Status != o.status || m.UnionID != r.unions[o.union].ID || (m.Transfer != 0) != (o.moving >= 0) ||
		m.Phone != personal.MaskPhone(o.phone) || m.LeftOn.IsZero() != o.status.Live() {
		t.Fatalf("is %+v, %v, want %+v", m, err, o)
	}
	var territory int32
	var live bool
	err = r.db.QueryRow(ctx, `SELECT count(*) = 1, coalesce(max(c.territory), 0) FROM live_cards l JOIN cards c ON c.serial = l.card_serial
		WHERE l.member_id = $1`, r.ids[i]).Scan(&live, &territory)
	if err != nil || live != o.card || live && territory != r.unions[o.union].Territory {
		t.Fatalf("card: live %v in %d, %v, want %+v", live, territory, err, o)
	}
}
