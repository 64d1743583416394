// Package exit ends contracts by plan (policy article 18, 动态管理): notice, last
// purchase, refund tail, whatever is still open, terminals retired, delisting,
// and when the merchant may come back.
//
// A plan is running while the contract may still earn, settling from the last
// purchase until its refund tail is over and every gate is closed, then done:
// its terminals are retired and, if it was the merchant's last contract and the
// plan says so, the merchant leaves for good. Advance moves plans on; it may run
// on every node, each plan moves in a transaction of its own under its row lock.
//
// Ending is decided by two people (merchant/signing): Kinds are the proposals.
package exit

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card/union/event"
	"unioncard/merchant"
)

// Kind is why a contract ends.
type Kind string

// The kinds, as stored.
const (
	KindNotice Kind = "notice" // ended by notice, for a day ahead
	KindCause  Kind = "cause"  // ended at once, for cause
	KindExpiry Kind = "expiry" // its validity is over
)

// State is where a plan stands.
type State string

// The states, as stored.
const (
	StateRunning   State = "running"
	StateSettling  State = "settling"
	StateDone      State = "done"
	StateCancelled State = "cancelled"
)

// Cause is the reason of an ending that the office picks from a list.
type Cause struct {
	Code, Title string
	// ForCause: the contract may be ended at once, and the merchant is barred from
	// coming back for BarMonths.
	ForCause  bool
	BarMonths int
}

// Causes lists what an office may give as the reason.
func Causes() []Cause {
	return []Cause{
		{"merchant_wish", "商家主动提出退出", false, 0},
		{"closing", "商家停业、搬迁或转让", false, 0},
		{"not_renewed", "协议到期不再续签", false, 0},
		{"terms", "优惠条件谈不拢，低于省级底线", false, 0},
		{"breach", "拒不履行优惠约定", true, 12},
		{"complaints", "投诉多、处理不力", true, 12},
		{"safety", "食品、安全等违法违规被查处", true, 24},
		{"fraud", "虚构交易、套取补贴或泄露会员信息", true, 36},
	}
}

func causeOf(code string) (Cause, bool) {
	for _, c := range Causes() {
		if c.Code == code {
			return c, true
		}
	}
	return Cause{}, false
}

// Title is what people read of a cause's code.
func Title(code string) string {
	if code == string(KindExpiry) {
		return "协议到期"
	}
	if c, ok := causeOf(code); ok {
		return c.Title
	}
	return code
}

// BarMonths is how long a merchant that was ended for a cause stays out, 0 for not
// at all.
func BarMonths(code string) int {
	c, _ := causeOf(code)
	return c.BarMonths
}

// Order is what a clerk proposes: to end a contract.
type Order struct {
	Kind       Kind      `json:"kind"`
	Cause      string    `json:"cause"`
	NoticedOn  string    `json:"noticed_on"` // 2006-01-02
	LastDay    string    `json:"last_day"`   // the last day with discount; "" at once
	Merchant   bool      `json:"merchant_leaves"`
	PreparedAt time.Time `json:"prepared_at"`
}

// Bounds of an order.
const (
	// MinNotice is how many whole days the merchant and its members are told ahead.
	MinNotice = 7
	// maxAhead bounds a last day that is a slip of the keyboard.
	maxAhead = 5 * 366 * 24 * time.Hour
)

var beijing = time.FixedZone("Asia/Shanghai", 8*3600)

// end is the moment from which nothing is earned: the midnight after the last
// day, or zero for at once.
func (o *Order) end() (time.Time, error) {
	if o.LastDay == "" {
		return time.Time{}, nil
	}
	day, err := time.ParseInLocation(time.DateOnly, o.LastDay, beijing)
	if err != nil {
		return time.Time{}, err
	}
	return day.AddDate(0, 0, 1), nil
}

// Check refuses an order that makes no sense for the contract at a moment, field
// by field (merchant.FieldErrors).
func (o *Order) Check(c *merchant.Contract, now time.Time) error {
	var wrong merchant.FieldErrors
	cause, ok := causeOf(o.Cause)
	if !ok {
		wrong.Add("cause", "请选择终止原因。")
	}
	noticed, err := time.ParseInLocation(time.DateOnly, o.NoticedOn, beijing)
	switch {
	case err != nil:
		wrong.Add("noticed_on", "请填写通知商家的日期。")
	case noticed.After(now):
		wrong.Add("noticed_on", "通知日期不能晚于今天；请先通知商家，再办理终止。")
	case noticed.Before(c.ValidFrom.AddDate(0, 0, -1)) && (!c.ValidFrom.After(now) || noticed.Before(now.AddDate(0, -3, 0))):
		wrong.Add("noticed_on", "通知日期早于协议开始，请核对年份。") // of one not begun, more than a season ago
	}
	end, err := o.end()
	switch {
	case o.Kind == KindCause:
		if ok && !cause.ForCause {
			wrong.Add("cause", "立即终止只用于商家违约违规；其他原因请提前通知终止。")
		}
		if o.LastDay != "" {
			wrong.Add("last_day", "立即终止不填最后优惠日，批准后马上停止。")
		}
	case o.Kind != KindNotice:
		wrong.Add("kind", "请选择提前通知终止或立即终止。")
	case err != nil || end.IsZero():
		wrong.Add("last_day", "请填写最后一个优惠日，例如 2026-12-31。")
	case end.Before(now.AddDate(0, 0, MinNotice)):
		wrong.Add("last_day", fmt.Sprintf("最后优惠日至少在 %d 天以后，让会员和收银员有准备；违约违规可选立即终止。", MinNotice))
	case end.Sub(now) > maxAhead:
		wrong.Add("last_day", "最后优惠日太远，请核对年份。")
	case !end.After(c.ValidFrom):
		wrong.Add("last_day", "最后优惠日早于协议开始（"+c.ValidFrom.In(beijing).Format(time.DateOnly)+"），请核对。")
	case !end.Before(c.ValidUntil):
		wrong.Add("last_day", "最后优惠日不早于协议到期日（"+c.ValidUntil.In(beijing).AddDate(0, 0, -1).Format(time.DateOnly)+"），到期会自动终止，不用办理。")
	}
	return wrong.Err()
}

// Plan is what happens when a contract ends.
type Plan struct {
	ID, ContractID  int64
	Kind            Kind
	Cause           string
	State           State
	NoticedOn       time.Time // zero for an expiry
	LastPurchase    time.Time // exclusive
	RefundUntil     time.Time
	MerchantLeaves  bool
	ReentryFrom     time.Time // zero: at once
	CreatedBy       string
	CreatedAt, Done time.Time
	Version         int64
}

// Object is the plan as events name it.
func (p *Plan) Object() string { return "exitplan:" + strconv.FormatInt(p.ID, 10) }

type planState struct {
	State        State     `json:"state"`
	LastPurchase time.Time `json:"last_purchase"`
	RefundUntil  time.Time `json:"refund_until"`
	Cause        string    `json:"cause"`
}

func (p *Plan) state() planState {
	return planState{p.State, p.LastPurchase, p.RefundUntil, p.Cause}
}

// Store reads and moves plans.
type Store struct {
	db    merchant.DB
	clock func() time.Time
	gates []merchant.ExitGate
}

// New returns a store with the gates that every exit must pass.
func New(db merchant.DB, clock func() time.Time, gates ...merchant.ExitGate) *Store {
	return &Store{db: db, clock: clock, gates: gates}
}

// OrderTx ends a contract, and the renewals that follow it, as ordered and writes its plan, in the transaction of
// the approval. A plan under way is changed instead. merchant.MoveError,
// merchant.FieldErrors, merchant.InvalidError. The merchant's row lock, which
// EndContract takes first, protects it.
func (s *Store) OrderTx(ctx context.Context, tx pgx.Tx, by merchant.By, contractID int64, o Order) (*Plan, error) {
	merchants := merchant.NewStore(tx, s.clock)
	c, err := merchants.Contract(ctx, contractID)
	if err != nil {
		return nil, err
	}
	now := s.clock()
	// The notice period ran while the proposal waited: it counts from the proposal.
	if err := o.Check(c, earlier(now, o.PreparedAt)); err != nil {
		return nil, err
	}
	end, err := o.end()
	if err != nil {
		return nil, err
	}
	if err := merchants.EndContract(ctx, by, contractID, end); err != nil {
		return nil, err
	}
	if c, err = merchants.Contract(ctx, contractID); err != nil {
		return nil, err
	}
	if err := endAfter(ctx, tx, merchants, by, c); err != nil {
		return nil, err
	}
	noticed, err := time.ParseInLocation(time.DateOnly, o.NoticedOn, beijing)
	if err != nil {
		return nil, err
	}
	p := &Plan{ContractID: contractID, Kind: o.Kind, Cause: o.Cause, State: StateRunning, NoticedOn: noticed,
		LastPurchase: c.ValidUntil, RefundUntil: c.RefundUntil, MerchantLeaves: o.Merchant, CreatedBy: by.Actor}
	if c.ValidFrom.After(now) && o.Kind == KindCause { // ended before it had begun
		p.LastPurchase, p.RefundUntil = now, now // and nothing was sold
	}
	if cause, _ := causeOf(o.Cause); cause.BarMonths > 0 {
		p.ReentryFrom = p.LastPurchase.In(beijing).AddDate(0, cause.BarMonths, 0)
	}
	return p, s.put(ctx, tx, by, p)
}

// endAfter ends the renewals that follow a contract, drafts and those signed for a
// day to come alike: what was to go on has ended.
func endAfter(ctx context.Context, tx pgx.Tx, merchants *merchant.Store, by merchant.By, c *merchant.Contract) error {
	ids, err := follows(ctx, tx, c, c.ValidUntil)
	if err != nil {
		return err
	}
	by.Reason = fmt.Sprintf("协议 %d 终止，续签一并终止：%s", c.ID, by.Reason)
	for _, id := range ids {
		if err := merchants.EndContract(ctx, by, id, time.Time{}); err != nil {
			return fmt.Errorf("exit: end renewal %d: %w", id, err)
		}
	}
	return nil
}

func earlier(a, b time.Time) time.Time {
	if !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// put writes a new plan, or over the one under way, with its event.
func (s *Store) put(ctx context.Context, tx pgx.Tx, by merchant.By, p *Plan) error {
	var before any
	old, err := under(ctx, tx, p.ContractID)
	switch {
	case err == nil:
		before = old.state()
	case !errors.Is(err, merchant.ErrNotFound):
		return err
	}
	err = tx.QueryRow(ctx, `INSERT INTO exit_plans (contract_id, kind, cause, state, noticed_on, last_purchase, refund_until,
		merchant_leaves, reentry_from, created_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
		ON CONFLICT (contract_id) WHERE state IN ('running', 'settling') DO UPDATE
		SET kind = excluded.kind, cause = excluded.cause, state = excluded.state, noticed_on = excluded.noticed_on,
		    last_purchase = excluded.last_purchase, refund_until = excluded.refund_until,
		    merchant_leaves = excluded.merchant_leaves, reentry_from = excluded.reentry_from,
		    version = exit_plans.version + 1
		RETURNING id, created_at, version`,
		p.ContractID, p.Kind, p.Cause, p.State, dateOrNull(p.NoticedOn), p.LastPurchase, p.RefundUntil,
		p.MerchantLeaves, dateOrNull(p.ReentryFrom), p.CreatedBy).Scan(&p.ID, &p.CreatedAt, &p.Version)
	if err != nil {
		return fmt.Errorf("exit: put plan: %w", err)
	}
	return event.Record(ctx, tx, by.Actor, "exit.plan", p.Object(), by.Reason, before, p.state())
}

func dateOrNull(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.In(beijing).Format(time.DateOnly)
}

const planSQL = `SELECT id, contract_id, kind, cause, state, noticed_on, last_purchase, refund_until,
	merchant_leaves, reentry_from, created_by, created_at, done_at, version FROM exit_plans`

func scanPlan(row pgx.CollectableRow) (*Plan, error) {
	var p Plan
	var noticed, reentry, done *time.Time
	err := row.Scan(&p.ID, &p.ContractID, &p.Kind, &p.Cause, &p.State, &noticed, &p.LastPurchase, &p.RefundUntil,
		&p.MerchantLeaves, &reentry, &p.CreatedBy, &p.CreatedAt, &done, &p.Version)
	for _, v := range []struct {
		from *time.Time
		to   *time.Time
	}{{noticed, &p.NoticedOn}, {reentry, &p.ReentryFrom}, {done, &p.Done}} {
		if v.from != nil {
			*v.to = *v.from
		}
	}
	return &p, err
}

// querier is what reading needs.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

func one(ctx context.Context, db querier, where string, args ...any) (*Plan, error) {
	rows, err := db.Query(ctx, planSQL+where, args...)
	if err != nil {
		return nil, fmt.Errorf("exit: plan: %w", err)
	}
	p, err := pgx.CollectExactlyOneRow(rows, scanPlan)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, merchant.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("exit: plan: %w", err)
	}
	return p, nil
}

// under is the contract's plan under way. merchant.ErrNotFound.
func under(ctx context.Context, db querier, contractID int64) (*Plan, error) {
	return one(ctx, db, ` WHERE contract_id = $1 AND state IN ('running', 'settling')`, contractID)
}

// Latest is the contract's last plan, under way or done. merchant.ErrNotFound.
func (s *Store) Latest(ctx context.Context, contractID int64) (*Plan, error) {
	return one(ctx, s.db, ` WHERE contract_id = $1 ORDER BY id DESC LIMIT 1`, contractID)
}

// Get is a plan by its id. merchant.ErrNotFound.
func (s *Store) Get(ctx context.Context, id int64) (*Plan, error) {
	return one(ctx, s.db, ` WHERE id = $1`, id)
}
