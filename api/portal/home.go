package portal

import (
	"strconv"
	"strings"

	"unioncard/api/exchange"
	"unioncard/api/page"
	"unioncard/merchant"
	"unioncard/merchant/account"
	"unioncard/merchant/application"
)

// task is one thing to do now.
type task struct{ Title, Text, URL string }

type homePage struct {
	page.Frame
	Tasks   []task
	Shops   []account.Shop
	Notices []account.Notice
}

// homeNotices is how many notices the first page shows.
const homeNotices = 5

// Home answers GET /portal: what to do now.
func (h *Handlers) Home(x *exchange.Exchange) error {
	p := &homePage{Frame: page.Frame{Title: "首页", Active: "home"}}
	var err error
	if p.Shops, err = h.Accounts.Shops(x.Ctx, x.Merchant); err != nil {
		return err
	}
	for _, find := range []func(*exchange.Exchange, *homePage) error{h.contractTasks, h.documentTasks, h.shopTasks, h.statementTasks, h.reconTasks} {
		if err := find(x, p); err != nil {
			return err
		}
	}
	if p.Notices, err = h.Accounts.Notices(x.Ctx, x.Merchant, 0, homeNotices); err != nil {
		return err
	}
	return h.Pages.Page(x, "portal/home", p)
}

// contractTasks: agreements to be stamped.
func (h *Handlers) contractTasks(x *exchange.Exchange, p *homePage) error {
	if !x.Merchant.Is(account.Owner) || x.Merchant.ReadOnly {
		return nil
	}
	rows, err := h.contracts(x)
	if err != nil {
		return err
	}
	for _, c := range rows {
		at, err := h.Contracts.Standing(x.Ctx, c.ID)
		if err != nil {
			return err
		}
		stamped, err := h.stamped(x, at)
		if err != nil {
			return err
		}
		if says, next := stageOf(at, len(stamped) > 0, h.Clock()); next == "sign" {
			p.Tasks = append(p.Tasks, task{strconv.FormatInt(c.ID, 10) + " 号协议等您盖章", says, contractURL(c.ID)})
		}
	}
	return nil
}

// documentTasks: documents that the office still wants.
func (h *Handlers) documentTasks(x *exchange.Exchange, p *homePage) error {
	if !x.Merchant.Is(account.Owner) || x.Merchant.ReadOnly {
		return nil
	}
	m, err := h.Applications.Merchant(x.Ctx, x.Merchant.MerchantID)
	if err != nil || m.UnionOwned {
		return err
	}
	files, err := h.ownFiles(x, m)
	if err != nil {
		return err
	}
	if missing := application.MissingFiles(m.Trade, files); len(missing) > 0 {
		p.Tasks = append(p.Tasks, task{"补交材料", "还差：" + strings.Join(missing, "、") + "。", applicationPath})
	}
	return nil
}

// shopTasks: open shops without a till.
func (h *Handlers) shopTasks(x *exchange.Exchange, p *homePage) error {
	if !x.Merchant.May(account.Shops) || x.Merchant.ReadOnly {
		return nil
	}
	var without []string
	for _, s := range p.Shops {
		if s.Status == merchant.OutletActive && s.Terminals == 0 && s.Contract != 0 {
			without = append(without, s.Name)
		}
	}
	if n := len(without); n > 0 {
		const named = 5
		p.Tasks = append(p.Tasks, task{"给门店开通收银终端", strings.Join(without[:min(n, named)], "、") + either(n > named, "等 "+strconv.Itoa(n)+" 家", "") +
			"还没有终端，会员去了不能优惠。", terminalsPath})
	}
	return nil
}
