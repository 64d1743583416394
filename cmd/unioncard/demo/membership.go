package demo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card"
	"unioncard/card/batch"
	"unioncard/card/member"

	"unioncard/card/union/staff"
)

// newMembers is how many members the batch's union has just taken in.
const newMembers = 240

// membership makes the member with WorkerPhone, and leaves work with members and
// cards half done: a batch issued, printed and partly handed out, and transfers that
// wait for their answers. All of it or nothing; once done it is left as it is.
func (p *People) membership(ctx context.Context, accounts map[string]*staff.Account) error {
	tx, err := p.Pool.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }() // does nothing after the commit
	cards := card.NewStore(tx, card.StoreOptions{})
	r := registry{
		tx: tx, accounts: accounts, cards: cards, now: p.Clock,
		members: member.NewStore(tx, p.Vault, cards, member.Options{Clock: p.Clock}),
		batches: batch.NewStore(tx, cards, nil, p.Vault, batch.Options{Clock: p.Clock}),
	}
	if _, err := r.members.ByPhone(ctx, WorkerPhone); !errors.Is(err, member.ErrNotFound) {
		return err
	}
	for _, step := range []func(context.Context) error{r.worker, r.transfers, r.batch} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return tx.Commit(ctx)
}

// registry is the work of the accounts that keep members and cards.
type registry struct {
	tx       pgx.Tx
	accounts map[string]*staff.Account
	cards    *card.Store
	members  *member.Store
	batches  *batch.Store
	now      func() time.Time
}

func (r *registry) by(login, why string) card.By {
	return card.By{Actor: r.accounts[login].Actor(), Reason: why}
}

// register makes the n-th of the few members of one grassroots union. Their
// sequences are above those of the many; n counts through dates of birth.
func (r *registry) register(ctx context.Context, n int, name, phone string) (id int64, err error) {
	born := time.Date(1975, 3, 7, 0, 0, 0, 0, time.UTC).AddDate(0, 0, n*37)
	p, err := invented(fmt.Sprintf("410105%s%03d", born.Format("20060102"), 900+n%99), phone, name)
	if err != nil {
		return 0, err
	}
	return r.members.Register(ctx, r.by("jiceng1", "新职工入会（演示）"), r.accounts["jiceng1"].UnionID, p, 0)
}

func (r *registry) worker(ctx context.Context) error {
	id, err := r.register(ctx, 0, "李春梅", WorkerPhone)
	if err != nil {
		return err
	}
	_, err = r.cards.Issue(ctx, r.by("jinshui4", "新会员发卡（演示）"), id, card.MonthOf(r.now())+60)
	return err
}

// transfers: a member whom another union of the county asks for, and one whom the
// grassroots union asks for. Either waits for the releasing union.
func (r *registry) transfers(ctx context.Context) error {
	own := r.accounts["jiceng1"].UnionID
	var other, leaving, coming int64
	err := r.tx.QueryRow(ctx, `SELECT u.id, (SELECT min(id) FROM members WHERE union_id = $1 AND status = 1 AND id_hash IS NOT NULL),
		(SELECT min(id) FROM members WHERE union_id = u.id AND status = 1 AND id_hash IS NOT NULL)
		FROM unions u WHERE starts_with(u.path, $2) AND u.kind = 'grassroots' AND u.active AND u.id <> $1
			AND EXISTS (SELECT FROM members WHERE union_id = u.id AND status = 1 AND id_hash IS NOT NULL) ORDER BY u.id LIMIT 1`,
		own, r.accounts["jinshui3"].Path).Scan(&other, &leaving, &coming)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil // members from before their personal data was kept
	}
	if err != nil {
		return err
	}
	if _, err := r.members.RequestTransfer(ctx, r.by("jinshui3", "调到本区另一单位工作（演示）"), leaving, other); err != nil {
		return err
	}
	_, err = r.members.RequestTransfer(ctx, r.by("jiceng1", "已到我单位上班（演示）"), coming, own)
	return err
}

// batch issues cards to the union's new members. Two thirds are handed out, a third
// is activated, and the target is not reached.
func (r *registry) batch(ctx context.Context) error {
	rng := rand.New(rand.NewPCG(seed, newMembers))
	for n := range newMembers {
		if _, err := r.register(ctx, n+1, personName(rng), fmt.Sprintf("137%08d", 10_000+n)); err != nil {
			return err
		}
	}
	office, by := r.accounts["jinshui4"], r.by("jinshui4", "第三季度新会员发卡（演示）")
	today := batch.Today(r.now())
	id, err := r.batches.Create(ctx, by, batch.Draft{
		Kind: batch.Issue, UnionID: r.accounts["jiceng1"].UnionID, Title: "新会员发卡（演示）", Target: newMembers + 60,
		DueOn: today.AddDate(0, 1, 0), ValidUntil: card.MonthOf(r.now()) + 60,
	})
	if err != nil {
		return err
	}
	b, err := r.batches.Get(ctx, office.Path, id)
	if err == nil {
		err = r.batches.Move(ctx, by, office.Path, id, b.Version, batch.Start)
	}
	for more := true; err == nil && more; {
		more, err = r.batches.Step(ctx)
	}
	if err == nil {
		_, err = r.batches.MakeFile(ctx, by, office.Path, id)
	}
	if err != nil {
		return err
	}
	rows, err := r.tx.Query(ctx, `SELECT number FROM cards WHERE batch_id = $1 ORDER BY serial`, id)
	if err != nil {
		return err
	}
	numbers, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return err
	}
	handed := numbers[:len(numbers)*2/3]
	if _, _, err := r.batches.Hand(ctx, by, office.Path, id, batch.To{Numbers: handed}, false); err != nil {
		return err
	}
	_, _, err = r.batches.Hand(ctx, by, office.Path, id, batch.To{Numbers: handed[:len(handed)/2]}, true)
	return err
}
