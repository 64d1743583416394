package territory_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card"
	"unioncard/card/batch"
	"unioncard/card/member"
	"unioncard/card/personal"
	"unioncard/card/roster"
	"unioncard/card/roster/sample"
	"unioncard/card/union"
	"unioncard/card/union/staff"
	"unioncard/merchant"
)

// people is a world with two works' unions in two counties, and with those who write
// which union a member belongs to and where a card counts.
type people struct {
	*world
	members    *member.Store
	batches    *batch.Store
	rosters    *roster.Store
	from, into int64
	made       int
}

func newPeople(t *testing.T) *people {
	p := &people{world: newWorld(t)}
	vault, err := personal.Open(p.ctx, p.db, personal.StaticKEK(1, make([]byte, 32)), personal.Options{Clock: p.clock.Now})
	p.must(err)
	p.members = member.NewStore(p.db, vault, p.cards, member.Options{Clock: p.clock.Now})
	p.batches = batch.NewStore(p.db, p.cards, nil, vault, batch.Options{Clock: p.clock.Now})
	p.rosters = roster.NewStore(p.db, roster.Options{Vault: vault, Members: p.members, Clock: p.clock.Now})
	p.from, p.into = p.grassroots(p.unions[410105], "甲厂工会"), p.grassroots(p.unions[410103], "乙厂工会")
	return p
}

func (p *people) register(union int64) int64 {
	p.t.Helper()
	p.made++
	id, err := p.members.Register(p.ctx, card.By(by), union, sample.Person(1, 1000+p.made), 0)
	p.must(err)
	return id
}

func (p *people) carded(union int64) int64 {
	p.t.Helper()
	id := p.register(union)
	_, err := p.cards.Issue(p.ctx, card.By(by), id, card.MonthOf(noon)+24)
	p.must(err)
	return id
}

func (p *people) draft(union int64) batch.Draft {
	return batch.Draft{Kind: batch.Issue, UnionID: union, Title: "年度", Target: 1, DueOn: noon.AddDate(0, 1, 0), ValidUntil: card.MonthOf(noon) + 24}
}

// writers prepare each a change that names the union to be merged, and return it. The
// refusals that a change may meet are those of a union that is gone.
var writers = map[string]func(p *people) func() error{
	"enroll": func(p *people) func() error {
		return func() error {
			_, err := p.cards.Enroll(p.ctx, card.By(by), card.NewMember{UnionID: p.from, Name: "王小明"})
			return err
		}
	},
	"register": func(p *people) func() error {
		return func() error {
			_, err := p.members.Register(p.ctx, card.By(by), p.from, sample.Person(1, 1), 0)
			return err
		}
	},
	"rejoin": func(p *people) func() error {
		id := p.carded(p.into)
		p.must(p.members.Leave(p.ctx, card.By(by), id))
		return func() error { return p.members.Rejoin(p.ctx, card.By(by), id, p.from) }
	},
	"edit": func(p *people) func() error {
		id, name := p.carded(p.from), "欧阳小明"
		return func() error {
			m, err := p.members.Get(p.ctx, id)
			if err != nil {
				return err
			}
			return p.members.Edit(p.ctx, card.By(by), id, m.Version, member.Change{Name: &name})
		}
	},
	"ask for a transfer": func(p *people) func() error {
		id := p.carded(p.into)
		return func() error {
			_, err := p.members.RequestTransfer(p.ctx, card.By(by), id, p.from)
			return err
		}
	},
	"agree to a transfer": func(p *people) func() error {
		id := p.carded(p.grassroots(p.unions[410102], "丙厂工会"))
		transfer, err := p.members.RequestTransfer(p.ctx, card.By(by), id, p.from)
		p.must(err)
		return func() error { return p.members.DecideTransfer(p.ctx, card.By(by), transfer, true) }
	},
	"transfer at once": func(p *people) func() error {
		id := p.carded(p.into)
		return func() error { return p.members.TransferNow(p.ctx, card.By(by), id, p.from) }
	},
	"transfers without an answer": func(p *people) func() error {
		id := p.carded(p.grassroots(p.unions[410102], "丙厂工会"))
		_, err := p.members.RequestTransfer(p.ctx, card.By(by), id, p.from)
		p.must(err)
		p.clock.add(member.TransferWindow)
		return func() error {
			n, err := p.members.SettleTransfers(p.ctx)
			if done := p.number(`SELECT count(*) FROM member_transfers WHERE state = 'done'`); err == nil && (n != 1 || done != 1) {
				return fmt.Errorf("%d settled, %d carried out", n, done)
			}
			return err
		}
	},
	"issue": func(p *people) func() error {
		id := p.register(p.from)
		return func() error {
			_, err := p.cards.Issue(p.ctx, card.By(by), id, card.MonthOf(noon)+24)
			return err
		}
	},
	"issue many": func(p *people) func() error {
		ids := []int64{p.register(p.from), p.register(p.into)}
		return func() error {
			return pgx.BeginFunc(p.ctx, p.db, func(tx pgx.Tx) error {
				_, _, err := p.cards.IssueMany(p.ctx, tx, card.By(by), ids, card.MonthOf(noon)+24, card.StatusInactive)
				return err
			})
		}
	},
	"batch": func(p *people) func() error {
		p.register(p.from)
		id, err := p.batches.Create(p.ctx, card.By(by), p.draft(p.unions[410105]))
		p.must(err)
		p.must(p.batches.Move(p.ctx, card.By(by), "/", id, 0, batch.Start))
		return func() error {
			_, err := p.batches.Step(p.ctx)
			return err
		}
	},
	"plan a batch": func(p *people) func() error {
		return func() error {
			_, err := p.batches.Create(p.ctx, card.By(by), p.draft(p.from))
			return err
		}
	},
	"start a batch again": func(p *people) func() error {
		id, err := p.batches.Create(p.ctx, card.By(by), p.draft(p.from))
		p.must(err)
		p.exec(`UPDATE batches SET status = 3, run_actor = 'staff:1', run_reason = '发卡' WHERE id = $1`, id)
		return func() error { return p.batches.Move(p.ctx, card.By(by), "/", id, 1, batch.Start) }
	},
	"upload a roster": func(p *people) func() error {
		clerk := p.account(p.unions[410105], staff.Registrar)
		return func() error {
			_, err := p.rosters.Upload(p.ctx, clerk, p.from, "a.csv", strings.NewReader("姓名,身份证号\n"))
			if _, refused := errors.AsType[*roster.RefusedError](err); refused {
				return nil
			}
			return err
		}
	},
	"roster": func(p *people) func() error {
		clerk := p.account(p.unions[410105], staff.Registrar)
		person := sample.Person(1, 1)
		id, err := p.rosters.Upload(p.ctx, clerk, p.unions[410105], "a.csv", strings.NewReader(
			"姓名,身份证号,手机号,工会\n"+person.Name+","+person.ResidentID+","+person.Phone+",甲厂工会\n"))
		p.must(err)
		p.roster(func() bool { r, err := p.rosters.Get(p.ctx, id); return err == nil && r.State == roster.Checked })
		p.must(p.rosters.Confirm(p.ctx, clerk, id, "登记"))
		return func() error {
			_, err := p.rosters.Work(p.ctx)
			if r, _ := p.rosters.Get(p.ctx, id); err == nil && (r.State != roster.Applied || r.New+r.Faulty != 1) {
				return fmt.Errorf("the roster is %s: %+v", r.State, r.Counts)
			}
			return err
		}
	},
}

// roster works until done.
func (p *people) roster(done func() bool) {
	p.t.Helper()
	for !done() {
		did, err := p.rosters.Work(p.ctx)
		p.must(err)
		if !did && !done() {
			p.t.Fatal("the roster stands still")
		}
	}
}

// whole fails for a member of a union that is gone and for a card that counts
// elsewhere than its member.
func (p *people) whole() {
	p.t.Helper()
	for what, sql := range map[string]string{
		"members of a union that is gone": `SELECT count(*) FROM members m JOIN unions u ON u.id = m.union_id WHERE NOT u.active`,
		"open transfers with a union that is gone": `SELECT count(*) FROM member_transfers t
			JOIN unions u ON u.id IN (t.from_union, t.to_union) WHERE t.state = 'requested' AND NOT u.active`,
		"batches at work for a union that is gone, or taken over from it": `SELECT count(*) FROM batches b JOIN unions u ON u.id = b.union_id
			WHERE b.status IN (1, 2) AND (NOT u.active OR EXISTS (SELECT FROM union_mergers m WHERE m.into_id = u.id))`,
		"rosters at work for a union that is gone, or taken over from it": `SELECT count(*) FROM roster_runs r JOIN unions u ON u.id = r.union_id
			WHERE r.state IN ('queued', 'checking', 'checked', 'confirmed', 'applying')
			AND (NOT u.active OR EXISTS (SELECT FROM union_mergers m WHERE m.into_id = u.id))`,
		"cards that count elsewhere than their members": `SELECT count(*) FROM cards c JOIN members m ON m.id = c.member_id
			JOIN unions u ON u.id = m.union_id WHERE c.territory <> u.territory AND c.status IN (1, 2, 3, 6)`,
	} {
		if n := p.number(sql); n != 0 {
			p.t.Errorf("%d %s", n, what)
		}
	}
}

func refusedForUnion(err error) bool {
	return err == nil || errors.Is(err, member.ErrUnion) || errors.Is(err, member.ErrHere) ||
		errors.Is(err, batch.ErrNotFound) || errors.Is(err, batch.ErrChanged)
}

// Whoever writes a member's union or a card's territory waits for a merger before
// it has locked any row that the merger needs, and is neither refused for a
// deadlock nor leaves anything behind.
func TestWritersWaitForMerger(t *testing.T) {
	t.Parallel()
	for name, prepare := range writers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPeople(t)
			p.carded(p.from) // there is something to move
			write := prepare(p)
			ctx, cancel := context.WithTimeout(p.ctx, 30*time.Second)
			defer cancel()
			tx, err := p.db.Begin(ctx)
			p.must(err)
			defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
			p.must(union.Close(ctx, tx))
			done := make(chan error, 1)
			go func() { done <- write() }()
			p.untilWaiting(ctx, done)
			for _, table := range []string{"unions", "members", "member_transfers", "cards", "live_cards"} {
				if _, err := tx.Exec(ctx, `SELECT FROM `+table+` FOR UPDATE NOWAIT`); err != nil {
					t.Fatalf("waiting for the merger, it keeps rows of %s: %v", table, err)
				}
			}
			merged := make(chan error, 1)
			go func() { merged <- p.store.Merge(ctx, by, p.from, p.into) }()
			p.must(tx.Rollback(ctx))
			var unfinished merchant.FieldErrors
			if err := <-merged; err != nil && !errors.As(err, &unfinished) {
				t.Errorf("the merger: %v", err)
			}
			if err := <-done; !refusedForUnion(err) {
				t.Errorf("the writer: %v", err)
			}
			p.whole()
		})
	}
}

// untilWaiting waits until a transaction waits for the tree.
func (p *people) untilWaiting(ctx context.Context, done <-chan error) {
	p.t.Helper()
	for p.number(`SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
		AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`) == 0 {
		select {
		case err := <-done:
			p.t.Fatalf("it did not wait for the merger: %v", err)
		case <-ctx.Done():
			p.t.Fatal(ctx.Err())
		default:
		}
	}
}

// midway is a file during whose upload something happens.
type midway struct {
	io.Reader
	then func()
}

func (m midway) Read(p []byte) (int, error) {
	m.then()
	return m.Reader.Read(p)
}

// TestMergeDuringUpload: a roster that was being uploaded for a union when that was
// merged is taken up neither for it nor for its successor.
func TestMergeDuringUpload(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	clerk := p.account(p.unions[410105], staff.Registrar)
	merge := sync.OnceFunc(func() { p.must(p.store.Merge(p.ctx, by, p.from, p.into)) })
	_, err := p.rosters.Upload(p.ctx, clerk, p.from, "a.csv", midway{strings.NewReader("姓名,身份证号\n"), merge})
	if refused, ok := errors.AsType[*roster.RefusedError](err); !ok || refused.Field != "union_id" {
		t.Errorf("got %v", err)
	}
	if n := p.number(`SELECT count(*) FROM roster_runs`); n != 0 {
		t.Errorf("%d rosters are left", n)
	}
}
