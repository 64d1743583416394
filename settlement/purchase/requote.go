package purchase

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card"
	"unioncard/merchant/terms"
)

// explain completes a refusal: how long until the next code, or a fresh quote on
// the same code step that fits what the limits have left.
func (c *Committer) explain(ctx context.Context, client *Client, r *row, req *CommitRequest) error {
	now := c.opts.Clock()
	if errors.Is(r.err, ErrCodeUsed) && r.q.kind == card.KindPhone {
		c.markUsed(ctx, r)
		return &Refusal{Err: r.err, RetryAfter: r.q.code().NextCodeIn(now)}
	}
	var refusal *Refusal
	if !errors.As(r.err, &refusal) || !requotable(refusal) {
		return r.err
	}
	if errors.Is(refusal, ErrBudgetExhausted) && c.opts.Budgets != nil {
		for _, d := range r.draws {
			if d.offer == refusal.Offer {
				c.opts.Budgets.NoteShort(d.budget, d.fen, now)
			}
		}
	}
	quote, err := c.requote(ctx, client, r, req, now)
	if err != nil {
		// Without a fresh quote the till verifies again; the refusal is true anyway.
		c.opts.Logger.Warn("no fresh quote", "error", err)
		return refusal
	}
	return &Refusal{Err: refusal.Err, Offer: refusal.Offer, Quote: quote}
}

// requotable says whether another quote can succeed where one was refused.
func requotable(refusal error) bool {
	for _, err := range []error{ErrLimitReached, ErrCapReached, ErrBudgetExhausted, ErrBudgetClosed, ErrBudgetCardCap, ErrVoucherUsed} {
		if errors.Is(refusal, err) {
			return true
		}
	}
	return false
}

// requote prices the basket again, under the terms of now and with what is left of
// limits, cap, budgets and vouchers as the database has it.
func (c *Committer) requote(ctx context.Context, client *Client, r *row, req *CommitRequest, now time.Time) (*VerifyAnswer, error) {
	contract, err := c.opts.Merchants.Snapshot().InForce(r.q.outlet, now)
	if err != nil {
		return nil, err
	}
	form := contract.TermsAt(now)
	var e card.Entry
	if form == nil || !c.opts.Table.Get(r.q.serial, &e) {
		return nil, fmt.Errorf("purchase: nothing to quote: %w", ErrNotFound)
	}
	b := &basket{
		terminal: client.Terminal, outlet: r.q.outlet, contract: contract, terms: form,
		holder: terms.Holder{County: e.Territory, City: c.opts.Tree().City(e.Territory), Class: e.Class},
		serial: r.q.serial, generation: r.q.generation, epoch: r.q.epoch, kind: r.q.kind,
		amount: r.q.amount, items: req.Items, at: now,
	}
	if b.used, err = c.usedUp(ctx, b); err != nil {
		return nil, err
	}
	if r.q.kind == card.KindPhone {
		b.useKey = r.q.codeKey
	}
	ans := &VerifyAnswer{Kind: r.q.kind, CheckHolder: r.q.kind != card.KindPhone, Age: c.opts.Age()}
	if err := c.quoteFunded(ctx, b, ans); err != nil {
		return nil, err
	}
	return ans, nil
}

// usedUp reads what a card has used of a contract's limits, floors included, in
// the periods of the business day, and of its cap.
func (c *Committer) usedUp(ctx context.Context, b *basket) (*usedUp, error) {
	u := &usedUp{limits: map[limitKey]used{}}
	var today day
	err := c.pool.QueryRow(ctx, `
		SELECT t.d - date '1970-01-01', coalesce((SELECT discount_fen FROM card_caps
		       WHERE card_serial = $1 AND code_kind = $2 AND day = t.d), 0)
		FROM (SELECT `+businessDaySQL+` AS d) t`, b.serial, int16(b.kind)).Scan(&today, &u.cap)
	if err != nil {
		return nil, fmt.Errorf("purchase: read cap: %w", err)
	}
	keys := limitsOf(nil, b.terms.Terms, 0)
	for _, f := range b.contract.Lifts(b.at) {
		keys = limitsOf(keys, f.Terms, f.ID)
	}
	var sources []int64
	var offers []string
	var periods []int16
	var starts []time.Time
	for _, k := range keys {
		sources, offers = append(sources, k.source), append(offers, k.offer)
		periods, starts = append(periods, int16(k.period)), append(starts, today.start(k.period).date())
	}
	rows, err := c.pool.Query(ctx, `
		SELECT u.i, g.uses, g.used_fen
		FROM unnest($4::bigint[], $5::text[], $6::smallint[], $7::date[]) WITH ORDINALITY AS u (s, o, p, d, i)
		JOIN usage g ON g.merchant_id = $1 AND g.contract_id = $2 AND g.card_serial = $3
		     AND g.source = u.s AND g.offer = u.o AND g.period = u.p AND g.period_start = u.d`,
		b.terminal.MerchantID, b.contract.ID, b.serial, sources, offers, periods, starts)
	if err != nil {
		return nil, fmt.Errorf("purchase: read usage: %w", err)
	}
	var i int64
	var n used
	_, err = pgx.ForEachRow(rows, []any{&i, &n.uses, &n.fen}, func() error {
		u.limits[keys[i-1]] = n
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("purchase: read usage: %w", err)
	}
	return u, nil
}

// limitsOf appends the limits of a set of Terms.
func limitsOf(keys []limitKey, form *terms.Compiled, source int64) []limitKey {
	for _, o := range form.Offers() {
		for _, l := range o.Limits() {
			keys = append(keys, limitKey{source, o.ID(), l.Per})
		}
	}
	return keys
}
