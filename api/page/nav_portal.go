package page

import "unioncard/merchant/account"

// portalArea is one entry of the merchants' portal.
type portalArea struct {
	group, key, title, icon, url string
	right                        account.Right
}

// portalAreas is the portal's navigation, in its order: who has the right sees the
// entry. The address is a route of api/routes_portal.go with the same right.
func portalAreas() []portalArea {
	return []portalArea{
		{"", "home", "首页", "home", "/portal", account.Anybody},
		{"店铺", "contract", "协议与优惠", "file", "/portal/contract", account.Anybody},
		{"店铺", "outlets", "门店", "pin", "/portal/outlets", account.Anybody},
		{"店铺", "terminals", "收银终端", "device", "/portal/terminals", account.Shops},
		{"店铺", "application", "入网资料", "inbox", "/portal/application", account.Owners},
		{"账目", "purchases", "交易", "list", "/portal/purchases", account.Anybody},
		{"账目", "statements", "结算单", "file", "/portal/statements", account.Money},
		{"账目", "recon", "对账", "check", "/portal/recon", account.Money},
		{"管理", "users", "人员", "people", "/portal/users", account.Owners},
		{"管理", "webhooks", "系统推送", "upload", "/portal/webhooks", account.Owners},
		{"管理", "notices", "通知", "list", "/portal/notices", account.Anybody},
	}
}

// PortalNav is the navigation of who is signed in to the portal, empty without.
func (f *Frame) PortalNav() (out []Group) {
	if f.User == nil {
		return nil
	}
	for _, a := range portalAreas() {
		if !f.User.May(a.right) {
			continue
		}
		if n := len(out); n == 0 || out[n-1].Title != a.group {
			out = append(out, Group{Title: a.group})
		}
		g := &out[len(out)-1]
		g.Entries = append(g.Entries, Entry{a.key, a.title, a.icon, a.url, a.key == f.Active})
	}
	return out
}
