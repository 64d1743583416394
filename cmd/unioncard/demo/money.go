package demo

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card/union/event"
	"unioncard/card/union/staff"
	"unioncard/merchant"
	"unioncard/merchant/account"
	"unioncard/merchant/application"
	"unioncard/settlement"
	"unioncard/settlement/budget"
	"unioncard/settlement/budget/voucher"
	"unioncard/settlement/ledger"
	"unioncard/settlement/recon"
)

// The phone numbers of the merchant's users who sign in at /portal: the owner and the
// one who keeps its books.
const (
	OwnerPhone  = "13900000002"
	KeeperPhone = "13900000003"
)

// Money is what the union's money is furnished with.
type Money struct {
	Budgets     *budget.Store
	Vouchers    *voucher.Store
	Settlements *settlement.Store
	Closer      *settlement.Closer
	Recon       *recon.Store
	Users       *account.Store // of merchants
}

// purse is the work of the city's finance and approver.
type purse struct {
	*People
	maker, checker *staff.Account
	today          ledger.Day
	members        int64 // the union whose new members are granted vouchers
}

// money makes an open budget with a series to claim and one that is granted, the sales
// of some weeks with their statements, a merchant with users of the portal, a payment
// that waits for approval, and a till's file with differences. Each part is left as it
// is where it is there already.
func (p *People) money(ctx context.Context, accounts map[string]*staff.Account) error {
	m := purse{People: p, maker: accounts["zhengzhou3"], checker: accounts["zhengzhou2"], today: ledger.DayOf(p.Clock()),
		members: accounts["jiceng1"].UnionID}
	for _, part := range []struct {
		name, done string
		make       func(context.Context) error
	}{
		{"sales", `SELECT EXISTS (SELECT FROM purchases)`, m.sales},
		{"portal", `SELECT EXISTS (SELECT FROM merchant_users)`, m.portal},
		{"budgets", `SELECT EXISTS (SELECT FROM budgets)`, m.budgets},
		{"statements", `SELECT EXISTS (SELECT FROM statements)`, m.close},
		{"payment", `SELECT EXISTS (SELECT FROM payments)`, m.payment},
		{"till's file", `SELECT EXISTS (SELECT FROM reconciliations)`, m.reconcile},
	} {
		var done bool
		err := p.Pool.QueryRow(ctx, part.done).Scan(&done)
		if err == nil && !done {
			err = part.make(ctx)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return nil
}

func (m *purse) by(a *staff.Account, why string) merchant.By {
	return merchant.By{Actor: a.Actor(), Reason: why}
}

func (m *purse) sales(ctx context.Context) error {
	return pgx.BeginFunc(ctx, m.Pool, func(tx pgx.Tx) error {
		return pastSales(ctx, tx, m.maker.UnionID, m.today)
	})
}

// cityDivision is 郑州, whose union pays.
const cityDivision = 410100

// found is the merchant whose sales were made up first.
func (m *purse) found(ctx context.Context) (seller, error) {
	shops, err := sellers(ctx, m.Pool, m.maker.UnionID)
	if err != nil {
		return seller{}, err
	}
	return shops[0], nil
}

// portal notes the merchants' bank accounts and makes the first one's users.
func (m *purse) portal(ctx context.Context) error {
	shops, err := sellers(ctx, m.Pool, m.maker.UnionID)
	if err != nil {
		return err
	}
	for i, s := range shops {
		var name string
		if err := m.Pool.QueryRow(ctx, `SELECT name FROM merchants WHERE id = $1`, s.id).Scan(&name); err != nil {
			return err
		}
		err := m.Applications.SetDetails(ctx, m.by(m.maker, "登记收款账户（演示）"), s.id, 0, application.Details{
			Code: demoCode(100 + i), Contact: application.Contact{LegalRep: "示例法人", Name: "示例联系人", Phone: OwnerPhone},
			Bank: application.Bank{Holder: name, Bank: "示例银行郑州分行", Account: fmt.Sprintf("41050167%011d", 9_001+i)}})
		if err != nil {
			return err
		}
	}
	by := m.by(m.maker, "为商家开通后台（演示）")
	for _, u := range []account.Form{
		{Name: "马老板", Phone: OwnerPhone, Roles: []account.Role{account.Owner}},
		{Name: "丁会计", Phone: KeeperPhone, Roles: []account.Role{account.Finance}},
	} {
		if _, err := m.Users.Add(ctx, by, shops[0].id, u); err != nil {
			return err
		}
	}
	return nil
}

// owner is the merchant's user, as events name people.
func (m *purse) owner(ctx context.Context) (event.Actor, error) {
	var id int64
	err := m.Pool.QueryRow(ctx, `SELECT min(id) FROM merchant_users WHERE 'owner' = ANY (roles)`).Scan(&id)
	return event.Actor(fmt.Sprintf("merchant:%d", id)), err
}

// approved proposes something and lets the colleague approve it.
func (m *purse) approved(ctx context.Context, kind string, id int64, payload any, why string) error {
	proposal, err := m.Signing.Propose(ctx, m.maker, kind, fmt.Sprintf("budget:%d", id), m.maker.UnionID, payload, why)
	if err != nil {
		return err
	}
	return m.Signing.Decide(ctx, m.checker, proposal, true, "同意（演示）")
}

// budgets opens one with two series, and leaves a top-up waiting.
func (m *purse) budgets(ctx context.Context) error {
	by := m.by(m.maker, "年度职工消费补贴（演示）")
	until := m.today + 120
	id, err := m.Budgets.Create(ctx, by, m.maker.UnionID, budget.Plan{
		Name: "职工消费补贴", FirstDay: m.today, LastDay: until, AmountFen: 30_000_000,
		Trades: []merchant.Trade{merchant.TradeCatering, merchant.TradeShopping}})
	if err == nil {
		err = m.approved(ctx, budget.ProposeOpen, id, struct{}{}, "年度预算已经主席办公会通过（演示）")
	}
	if err != nil {
		return err
	}
	now := m.Clock().Truncate(time.Minute)
	for _, plan := range []voucher.Plan{
		{Name: "惠职工消费券", FirstDay: m.today, LastDay: until - 30, FaceFen: 4000, NeedFen: 5000, Packs: 1000, PerPack: 4,
			ClaimFrom: now.Add(-time.Hour), ClaimUntil: now.AddDate(0, 0, 30), Territory: cityDivision},
		{Name: "新会员慰问券", FirstDay: m.today, LastDay: until - 30, FaceFen: 2000, NeedFen: 3000, Packs: 600, PerPack: 2, Stackable: true},
	} {
		series, err := m.Vouchers.Create(ctx, by, id, plan)
		if err == nil {
			err = m.approved(ctx, voucher.ProposeOpen, series, struct{}{}, plan.Name+"发放方案（演示）")
		}
		if err == nil && plan.ClaimFrom.IsZero() {
			_, err = m.Vouchers.GrantUnion(ctx, m.by(m.maker, "发给新入会的会员（演示）"), series, m.members, false)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", plan.Name, err)
		}
	}
	_, err = m.Signing.Propose(ctx, m.maker, budget.ProposeTopUp, fmt.Sprintf("budget:%d", id), m.maker.UnionID,
		budget.TopUp{Fen: 10_000_000}, "元旦前再追加十万元（演示）")
	return err
}

// close closes the days of the sales.
func (m *purse) close(ctx context.Context) error {
	_, err := m.Closer.Close(ctx, m.today-1, false)
	return err
}

// payment lets the merchants' first two weeks be confirmed, one statement disputed, and
// proposes to pay what is confirmed.
func (m *purse) payment(ctx context.Context) error {
	shop, err := m.found(ctx)
	if err != nil {
		return err
	}
	last := m.today - 8
	rows, err := m.Pool.Query(ctx, `SELECT s.id, s.merchant_id, s.version FROM statements s JOIN merchants m ON m.id = s.merchant_id
		WHERE m.office_id = $1 AND s.business_day <= $2 AND s.state = 'closed' ORDER BY s.business_day, s.id`, m.maker.UnionID, last.Date())
	if err != nil {
		return err
	}
	type key struct{ ID, Merchant, Version int64 }
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[key])
	if err != nil {
		return err
	}
	user, err := m.owner(ctx)
	if err != nil {
		return err
	}
	for _, k := range list {
		by := merchant.By{Actor: user, Reason: "核对无误（演示）"}
		if k.Merchant != shop.id {
			by = m.by(m.maker, "商家来电确认（演示）")
		}
		if err := m.Settlements.Confirm(ctx, by, k.Merchant, k.ID, k.Version); err != nil {
			return err
		}
	}
	var id, version int64
	err = m.Pool.QueryRow(ctx, `SELECT id, version FROM statements WHERE merchant_id = $1 AND state = 'closed' ORDER BY business_day LIMIT 1`, shop.id).Scan(&id, &version)
	if err == nil {
		err = m.Settlements.Dispute(ctx, merchant.By{Actor: user, Reason: "当天下午有一笔 56 元的消费没有算进来，小票号 0917（演示）"}, shop.id, id, version)
	}
	if err != nil {
		return err
	}
	payment, err := m.Settlements.MakePayment(ctx, m.by(m.maker, "支付前两周的补贴款（演示）"),
		settlement.NewPayment{OfficeID: m.maker.UnionID, From: m.today - salesDays, Until: last})
	if err != nil {
		return err
	}
	made, err := m.Settlements.Payment(ctx, payment)
	if err != nil {
		return err
	}
	_, err = m.Signing.Propose(ctx, m.maker, settlement.KindSend, fmt.Sprintf("payment:%d", payment), m.maker.UnionID, made.SendPayload(), "前两周补贴款，已核对（演示）")
	return err
}

// reconcile uploads the merchant's till file of a day with a sale too many, one too
// few and one with another amount, and lets it be checked.
func (m *purse) reconcile(ctx context.Context) error {
	shop, err := m.found(ctx)
	if err != nil {
		return err
	}
	day := m.today - 2
	file, count, sum, err := m.tillFile(ctx, shop, day)
	if err != nil {
		return err
	}
	user, err := m.owner(ctx)
	if err != nil {
		return err
	}
	_, err = m.Recon.Upload(ctx, recon.Upload{MerchantID: shop.id, By: user, Name: "收银流水.csv", First: day, Last: day, Rows: count, Fen: sum, Body: strings.NewReader(file)})
	for more := true; err == nil && more; {
		more, err = m.Recon.Work(ctx)
	}
	return err
}

// tillFile is the file, and its control totals: rows and fen.
func (m *purse) tillFile(ctx context.Context, shop seller, day ledger.Day) (file string, count int, sum int64, err error) {
	rows, err := m.Pool.Query(ctx, `SELECT merchant_ref, committed_at, amount_fen, discount_fen FROM purchases
		WHERE merchant_id = $1 AND business_day = $2 AND state = 1 ORDER BY committed_at`, shop.id, day.Date())
	if err != nil {
		return "", 0, 0, err
	}
	type sale struct {
		Ref              string
		At               time.Time
		Amount, Discount int64
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[sale])
	if err != nil {
		return "", 0, 0, err
	}
	if len(list) < 3 {
		return "", 0, 0, errors.New("too few sales")
	}
	list[1].Amount += 500
	list = append(list[:2], list[3:]...)
	list = append(list, sale{"9917", day.Start().Add(21 * time.Hour), 5600, 560})
	var out strings.Builder
	w := csv.NewWriter(&out)
	yuan := func(fen int64) string { return fmt.Sprintf("%d.%02d", fen/100, fen%100) }
	_ = w.Write([]string{"小票号", "交易时间", "消费金额", "优惠金额"})
	for _, s := range list {
		sum += s.Amount
		_ = w.Write([]string{s.Ref, s.At.In(beijing).Format(time.DateTime), yuan(s.Amount), yuan(s.Discount)})
	}
	w.Flush()
	return out.String(), len(list), sum, w.Error()
}

var beijing = time.FixedZone("Asia/Shanghai", 8*3600)
