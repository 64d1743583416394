package budget

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"unioncard/card/union"
	"unioncard/merchant"
	"unioncard/settlement/ledger"
)

// Bounds of a budget.
const (
	// MaxFen is the most that can ever be put into one, ¥10,000,000,000.
	MaxFen = 1_000_000_000_000
	// MaxName is the longest name in characters; a series' is on members' receipts.
	MaxName = 40
	// MaxMerchants is how many merchants one can name.
	MaxMerchants = 1000
	// MaxDays is the longest period.
	MaxDays = 5 * 366
)

// Plan is what people decide of a budget before it is opened.
type Plan struct {
	Name string
	// FirstDay and LastDay are the days on which it pays, both included.
	FirstDay, LastDay ledger.Day
	Trades            []merchant.Trade // empty: all
	Merchants         []int64          // ids; empty: all of the office's territory
	MemberCapFen      int64            // 0: no bound
	AmountFen         int64            // what opening puts in
}

// tidy brings a plan into the form in which it is stored.
func (d *Plan) tidy() {
	d.Name = strings.TrimSpace(d.Name)
	d.Trades, d.Merchants = slices.Clone(d.Trades), slices.Clone(d.Merchants)
	slices.Sort(d.Trades)
	slices.Sort(d.Merchants)
	d.Trades, d.Merchants = slices.Compact(d.Trades), slices.Compact(d.Merchants)
}

// check says which fields are at fault, today being a day in Beijing. The fields are
// name, first_day, last_day, amount, member_cap, trades and merchants.
func (d *Plan) check(today ledger.Day) (bad merchant.FieldErrors) {
	unprintable := func(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) }
	switch n := utf8.RuneCountInString(d.Name); {
	case n == 0:
		bad.Add("name", "请填写名称")
	case n > MaxName:
		bad.Add("name", fmt.Sprintf("名称最多 %d 个字，现在有 %d 个", MaxName, n))
	case strings.ContainsFunc(d.Name, unprintable):
		bad.Add("name", "名称里有无法显示的字符，请重新输入")
	}
	switch {
	case d.LastDay < d.FirstDay:
		bad.Add("last_day", "结束日期早于开始日期，请改正")
	case d.LastDay < today:
		bad.Add("last_day", "结束日期已经过去，请改为今天或以后")
	case d.LastDay-d.FirstDay >= MaxDays:
		bad.Add("last_day", "期限最长五年，请缩短")
	}
	bad = append(bad, checkAmount("amount", d.AmountFen, MaxFen)...)
	switch {
	case d.MemberCapFen < 0:
		bad.Add("member_cap", "每卡上限不能是负数；不限就留空")
	case d.MemberCapFen > MaxFen:
		bad.Add("member_cap", fmt.Sprintf("每卡上限太大，最多 %s 元；不限就留空", yuan(MaxFen)))
	}
	for _, t := range d.Trades {
		if !slices.Contains(merchant.Trades(), t) {
			bad.Add("trades", "没有这个行业，请重新选择")
			break
		}
	}
	if len(d.Merchants) > MaxMerchants {
		bad.Add("merchants", fmt.Sprintf("最多指定 %d 个商家；更多就不指定，按行业限定", MaxMerchants))
	}
	return bad
}

// checkAmount refuses an amount of money that is none, or above a bound.
func checkAmount(field string, fen, most int64) (bad merchant.FieldErrors) {
	switch {
	case fen <= 0:
		bad.Add(field, "金额要大于 0")
	case fen > most:
		bad.Add(field, fmt.Sprintf("金额太大，最多 %s 元", yuan(most)))
	}
	return bad
}

// yuan is an amount for people, its thousands parted.
func yuan(fen int64) string {
	if fen < 0 {
		return "-" + yuan(-fen)
	}
	whole := strconv.FormatInt(fen/100, 10)
	for at := len(whole) - 3; at > 0; at -= 3 {
		whole = whole[:at] + "," + whole[at:]
	}
	return fmt.Sprintf("%s.%02d", whole, fen%100)
}

// checkMerchants refuses merchants that the office's money can't go to: what does not
// exist and what another office's territory holds read alike.
func checkMerchants(ctx context.Context, tx pgx.Tx, officeID int64, ids []int64) (bad merchant.FieldErrors, err error) {
	if len(ids) == 0 {
		return nil, nil
	}
	var missing []int64
	err = tx.QueryRow(ctx, `SELECT coalesce(array_agg(n.id ORDER BY n.id), '{}') FROM unnest($2::bigint[]) n(id)
		WHERE NOT EXISTS (SELECT FROM merchants m JOIN unions u ON u.id = m.office_id JOIN unions o ON o.id = $1
			WHERE m.id = n.id AND m.status <> 'exited' AND (starts_with(u.path, o.path) OR starts_with(o.path, u.path)))`,
		officeID, ids).Scan(&missing)
	if err != nil {
		return nil, fmt.Errorf("budget: check merchants: %w", err)
	}
	if len(missing) > 0 {
		bad.Add("merchants", fmt.Sprintf("辖区内没有编号 %d 的商家，请删去或改正", missing[0]))
	}
	return bad, nil
}

// Create makes the draft of an office's budget, or with a parent of a series of it,
// and returns its id. merchant.ErrNotFound for an office or a parent that is not
// there, merchant.FieldErrors. one_budget_a_name keeps two of one name at one time
// apart.
func (s *Store) Create(ctx context.Context, by merchant.By, officeID int64, d Plan) (id int64, err error) {
	err = s.change(ctx, func(tx pgx.Tx) error {
		if err := union.Hold(ctx, tx); err != nil {
			return err
		}
		id, err = s.CreateTx(ctx, tx, by, officeID, 0, d)
		return err
	})
	return id, err
}

// CreateTx is Create within a transaction that holds the tree (union.Hold). parent
// is the budget that a series' money comes from, 0 for a budget.
func (s *Store) CreateTx(ctx context.Context, tx pgx.Tx, by merchant.By, officeID, parent int64, d Plan) (id int64, err error) {
	if err := s.checkPlan(ctx, tx, officeID, &d); err != nil {
		return 0, err
	}
	kind := KindBudget
	if parent != 0 {
		kind = KindSeries
	}
	err = tx.QueryRow(ctx, `INSERT INTO budgets (office_id, parent_id, kind, name, state, first_day, last_day, trades, merchants, member_cap_fen, amount_fen)
		SELECT id, nullif($2::bigint, 0), $3, $4, 'draft', $5, $6, $7, $8, nullif($9::bigint, 0), $10 FROM unions WHERE id = $1 AND merged_into IS NULL
		RETURNING id`, officeID, parent, kind, d.Name, d.FirstDay.Date(), d.LastDay.Date(), d.Trades, nonNil(d.Merchants), d.MemberCapFen, d.AmountFen).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, merchant.ErrNotFound
	}
	if err != nil {
		return 0, fmt.Errorf("budget: create: %w", named(err))
	}
	return id, record(ctx, tx, by, action(kind, "create"), id, 0, nil, d.facts(map[string]any{"office": officeID, "parent": parent}))
}

// nonNil is a list that the database does not take for NULL.
func nonNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// facts is a plan in the event log.
func (d *Plan) facts(more map[string]any) map[string]any {
	more["first_day"], more["last_day"] = d.FirstDay.String(), d.LastDay.String()
	more["trades"], more["merchants"] = d.Trades, d.Merchants
	more["member_cap_fen"], more["amount_fen"] = d.MemberCapFen, d.AmountFen
	return more
}

// CheckTx says which fields of a plan are at fault for a budget of an office: name,
// first_day, last_day, amount, member_cap, trades and merchants.
func (s *Store) CheckTx(ctx context.Context, tx pgx.Tx, officeID int64, d Plan) (merchant.FieldErrors, error) {
	d.tidy()
	more, err := checkMerchants(ctx, tx, officeID, d.Merchants)
	return append(d.check(ledger.DayOf(s.now())), more...), err
}

// checkPlan tidies and checks a plan against the office.
func (s *Store) checkPlan(ctx context.Context, tx pgx.Tx, officeID int64, d *Plan) error {
	d.tidy()
	d.Trades = nonNil(d.Trades)
	bad, err := s.CheckTx(ctx, tx, officeID, *d)
	if err != nil {
		return err
	}
	return bad.Err()
}

// Edit replaces a draft. The version is the one its editor read: ErrChanged if
// somebody has saved it since. *merchant.MoveError once it is opened,
// merchant.ErrNotFound, merchant.FieldErrors. The row's lock keeps two apart.
func (s *Store) Edit(ctx context.Context, by merchant.By, id, version int64, d Plan) error {
	return s.change(ctx, func(tx pgx.Tx) error { return s.EditTx(ctx, tx, by, id, version, d) })
}

// EditTx is Edit within a transaction.
func (s *Store) EditTx(ctx context.Context, tx pgx.Tx, by merchant.By, id, version int64, d Plan) error {
	p, err := lockPurse(ctx, tx, id)
	if err != nil {
		return err
	}
	if err := p.draft("edit", version); err != nil {
		return err
	}
	if err := s.checkPlan(ctx, tx, p.office, &d); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `UPDATE budgets SET name = $2, first_day = $3, last_day = $4, trades = $5, merchants = $6,
		member_cap_fen = nullif($7::bigint, 0), amount_fen = $8, version = version + 1 WHERE id = $1`,
		id, d.Name, d.FirstDay.Date(), d.LastDay.Date(), d.Trades, nonNil(d.Merchants), d.MemberCapFen, d.AmountFen)
	if err != nil {
		return fmt.Errorf("budget: edit: %w", named(err))
	}
	return record(ctx, tx, by, action(p.kind, "edit"), id, 0, map[string]any{"amount_fen": p.amount}, d.facts(map[string]any{}))
}

// draft refuses what is no draft, or is not of that version any more.
func (p *purse) draft(what string, version int64) error {
	if p.status != Draft {
		return &merchant.MoveError{Object: p.object(), From: string(p.status), Action: what}
	}
	if p.version != version {
		return ErrChanged
	}
	return nil
}

// Discard deletes a draft that was never opened. Errors as Edit.
func (s *Store) Discard(ctx context.Context, by merchant.By, id, version int64) error {
	return s.change(ctx, func(tx pgx.Tx) error {
		p, err := lockPurse(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := p.draft("discard", version); err != nil {
			return err
		}
		var below int
		if err := tx.QueryRow(ctx, `SELECT count(*) FROM budgets WHERE parent_id = $1`, id).Scan(&below); err != nil {
			return fmt.Errorf("budget: discard: %w", err)
		}
		if below > 0 {
			return merchant.FieldErrors{{Field: "series", Message: fmt.Sprintf("这个预算下面还有 %d 个消费券草稿，请先删除它们", below)}}
		}
		if _, err := tx.Exec(ctx, `DELETE FROM voucher_series WHERE budget_id = $1`, id); err != nil {
			return fmt.Errorf("budget: discard: %w", err)
		}
		if _, err := tx.Exec(ctx, `DELETE FROM budgets WHERE id = $1`, id); err != nil {
			return fmt.Errorf("budget: discard: %w", err)
		}
		return record(ctx, tx, by, action(p.kind, "discard"), id, 0, map[string]any{"amount_fen": p.amount}, nil)
	})
}
