package demo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"unioncard/card/personal"
	"unioncard/card/union/staff"
	"unioncard/merchant"
	"unioncard/merchant/application"
	"unioncard/merchant/draft"
	"unioncard/merchant/exit"
	"unioncard/merchant/signing"
	"unioncard/merchant/terms"
)

// Password is every demonstration account's. It opens nothing but invented data:
// --demo loads only into an empty database.
const Password = "Yuka-2026-demo"

// Login is an account of the demonstration.
type Login struct {
	Login, Name string
	division    int32
	roles       []staff.Role
	About       string // what it is for, in Chinese
	grassroots  bool   // of the first grassroots union under the division's
}

// Logins lists the demonstration's accounts: two people an office, so that one
// proposes and the other approves, who keeps members and cards, and a city's finance.
func Logins() []Login {
	const province, zhengzhou, jinshui = 410000, 410100, 410105
	return []Login{
		{"jinshui1", "赵晓红", jinshui, []staff.Role{staff.Negotiator, staff.TerminalManager}, "金水区总工会 签约专员、终端管理员", false},
		{"jinshui2", "钱志强", jinshui, []staff.Role{staff.Approver}, "金水区总工会 审批人", false},
		{"jinshui3", "冯桂兰", jinshui, []staff.Role{staff.Registrar}, "金水区总工会 会员管理员", false},
		{"jinshui4", "陈国强", jinshui, []staff.Role{staff.CardManager}, "金水区总工会 发卡管理员", false},
		{"jiceng1", "褚秀英", jinshui, []staff.Role{staff.Registrar}, "基层工会 会员管理员（上传名册）", true},
		{"zhengzhou1", "孙丽", zhengzhou, []staff.Role{staff.Negotiator, staff.TerminalManager}, "郑州市总工会 签约专员、终端管理员", false},
		{"zhengzhou2", "李建军", zhengzhou, []staff.Role{staff.Approver}, "郑州市总工会 审批人", false},
		{"zhengzhou3", "韩梅", zhengzhou, []staff.Role{staff.Finance}, "郑州市总工会 财务（预算、消费券、结算、付款）", false},
		{"henan1", "周敏", province, []staff.Role{staff.Negotiator, staff.TerminalManager}, "省总工会 签约专员（底线条件）", false},
		{"henan2", "吴国华", province, []staff.Role{staff.Approver}, "省总工会 审批人", false},
		{"shenji", "郑娟", province, []staff.Role{staff.Auditor}, "省总工会 审计员", false},
		{"admin", "王伟", province, []staff.Role{staff.Operator}, "省总工会 系统管理员（账号）", false},
	}
}

// People is what LoadPeople works with.
type People struct {
	Pool         *pgxpool.Pool
	Staff        *staff.Store
	Applications *application.Store
	Signing      *signing.Store
	Drafts       *draft.Store
	Vault        *personal.Vault
	Clock        func() time.Time
	Money
}

// LoadPeople adds the demonstration's accounts, applications in several states at
// one county's office, and work with members half done. A database that has them is
// left as it is.
func LoadPeople(ctx context.Context, p People) error {
	accounts := map[string]*staff.Account{}
	for _, l := range Logins() {
		a, err := p.account(ctx, l)
		if err != nil {
			return fmt.Errorf("demo: account %s: %w", l.Login, err)
		}
		accounts[l.Login] = a
	}
	if err := p.membership(ctx, accounts); err != nil {
		return fmt.Errorf("demo: membership: %w", err)
	}
	if err := p.money(ctx, accounts); err != nil {
		return fmt.Errorf("demo: money: %w", err)
	}
	var have bool
	if err := p.Pool.QueryRow(ctx, `SELECT EXISTS (SELECT FROM applications)`).Scan(&have); err != nil || have {
		return err
	}
	clerk := accounts["jinshui1"]
	for i, name := range []string{"郑州市金水区福满堂餐饮店", "郑州百草大药房有限公司", "河南星光影城管理有限公司", "郑州顺达加油站有限公司"} {
		if err := p.application(ctx, clerk, i, name); err != nil {
			return fmt.Errorf("demo: application %s: %w", name, err)
		}
	}
	if err := p.openWork(ctx, clerk); err != nil {
		return fmt.Errorf("demo: open work: %w", err)
	}
	return nil
}

// openWork leaves two things half done with the clerk's contracts: Terms drafted
// below the province's floor, and a suspension that waits for the colleague.
func (p *People) openWork(ctx context.Context, clerk *staff.Account) error {
	rows, err := p.Pool.Query(ctx, `SELECT c.id FROM contracts c WHERE c.office_id = $1 AND c.status = 'active'
		AND EXISTS (SELECT FROM floors f WHERE f.trade = c.trade) ORDER BY c.id LIMIT 2`, clerk.UnionID)
	if err != nil {
		return err
	}
	contracts, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return err
	}
	if len(contracts) < 2 {
		return errors.New("the office has no two contracts")
	}
	by := merchant.By{Actor: fmt.Sprintf("staff:%d", clerk.ID), Reason: reason}
	mean := terms.Terms{V: terms.Version, Offers: []terms.Offer{{ID: "mean", Title: "满500减5", FundingBP: 10_000,
		Benefit: terms.Benefit{Kind: terms.KindAmountOff, AtFen: 50_000, OffFen: 500}}}}
	if _, err := p.Drafts.Save(ctx, by, draft.ContractObject(contracts[0]), &mean, 0); err != nil {
		return err
	}
	_, err = p.Signing.Propose(ctx, clerk, exit.KindSuspend, fmt.Sprintf("contract:%d", contracts[1]), clerk.UnionID, struct{}{},
		"店面装修两个月，商家来函请求暂停（演示）")
	return err
}

// account finds an account of the demonstration, or makes it.
func (p *People) account(ctx context.Context, l Login) (*staff.Account, error) {
	a := &staff.Account{Login: l.Login, Name: l.Name, Roles: l.roles}
	err := p.Pool.QueryRow(ctx, `SELECT u.id, u.path, u.name FROM unions u JOIN unions d ON CASE WHEN $2 THEN d.id = u.parent_id ELSE d.id = u.id END
		WHERE d.division = $1 AND (NOT $2 OR u.kind = 'grassroots' AND u.active) ORDER BY u.id LIMIT 1`, l.division, l.grassroots).Scan(&a.UnionID, &a.Path, &a.Union)
	if err != nil {
		return nil, err
	}
	err = p.Pool.QueryRow(ctx, `SELECT id FROM staff WHERE login = $1`, l.Login).Scan(&a.ID)
	if errors.Is(err, pgx.ErrNoRows) {
		a.ID, err = p.Staff.Create(ctx, staff.By{Actor: actor, Reason: reason},
			staff.NewAccount{Login: l.Login, Name: l.Name, UnionID: a.UnionID, Roles: l.roles, Password: Password})
	}
	return a, err
}

// application enters one of four: a draft, one submitted, one in review, one
// returned.
func (p *People) application(ctx context.Context, clerk *staff.Account, i int, name string) error {
	trades := []merchant.Trade{merchant.TradeCatering, merchant.TradeHealth, merchant.TradeLeisure, merchant.TradeTransport}
	lon, lat := 113.66+float64(i)*0.01, 34.78
	doc := application.Document{
		Code: demoCode(i), LegalName: name, Trade: trades[i],
		Contact: application.Contact{LegalRep: "示例法人", Name: "示例联系人", Phone: fmt.Sprintf("1380000000%d", i)},
		Outlets: []application.Outlet{{Name: name + "花园路店", Address: fmt.Sprintf("郑州市金水区花园路%d号", 10+i), Territory: 410105, Lon: &lon, Lat: &lat}},
	}
	id, err := p.Applications.Enter(ctx, clerk, reason, doc)
	if err != nil {
		return err
	}
	by := merchant.By{Actor: fmt.Sprintf("staff:%d", clerk.ID), Reason: reason}
	moves := [][]string{{}, {"submit"}, {"submit", "take"}, {"submit", "return"}}[i]
	for _, move := range moves {
		a, err := p.Applications.Get(ctx, id)
		if err != nil {
			return err
		}
		fix := ""
		if move == "return" {
			fix = "请补充营业执照和门店照片。"
		}
		if err := p.Applications.Move(ctx, by, id, a.Version, move, fix, false); err != nil {
			return err
		}
	}
	return nil
}

// demoCode is an invented unified social credit code with its right check
// character (GB 32100-2015).
func demoCode(i int) string {
	body := fmt.Sprintf("91410105MA9DEM%03d", i+1)
	for _, c := range "0123456789ABCDEFGHJKLMNPQRTUWXY" {
		if code := body + string(c); application.ValidCode(code) {
			return code
		}
	}
	return body
}
