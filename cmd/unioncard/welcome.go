package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"unioncard/cmd/unioncard/demo"
	"unioncard/merchant"
)

// printWelcome tells whoever started the demonstration where everything is and
// how to log a first till in. The shop is one where any first sale shows a
// discount: a percentage for everybody, always; in the browser the amount is enough.
// Vouchers are good there too, and its owner has the portal.
func printWelcome(ctx context.Context, w io.Writer, n *node) error {
	var outlet, number int64
	var shop, offers string
	err := n.pool.QueryRow(ctx, `SELECT o.id, o.name, (SELECT string_agg(x->>'title', '，') FROM jsonb_array_elements(t.terms->'offers') x)
		FROM outlets o
		JOIN contract_outlets co ON co.outlet_id = o.id AND co.during @> clock_timestamp()
		JOIN contracts c ON c.id = co.contract_id AND c.status = 'active' AND c.trade = 'shopping'
		JOIN contract_terms t ON t.contract_id = c.id AND t.effective @> clock_timestamp()
		WHERE o.status = 'active'
		ORDER BY NOT EXISTS (SELECT FROM merchant_users u WHERE u.merchant_id = o.merchant_id), NOT EXISTS (SELECT FROM jsonb_array_elements(t.terms->'offers') x WHERE x->'benefit'->>'kind' = 'percent'
			AND NOT x ?| ARRAY['calendar', 'limits', 'eligibility']), o.id LIMIT 1`).Scan(&outlet, &shop, &offers)
	if err != nil {
		return fmt.Errorf("look for a shop: %w", err)
	}
	err = n.pool.QueryRow(ctx, `SELECT number FROM cards WHERE status = 1 AND valid_until >= current_date ORDER BY serial LIMIT 1`).Scan(&number)
	if err != nil {
		return fmt.Errorf("look for a card: %w", err)
	}
	code, err := n.merchants.IssueActivationCode(ctx, merchant.By{Actor: "demo", Reason: "演示：第一台终端"}, outlet)
	if err != nil {
		return fmt.Errorf("activation code: %w", err)
	}
	browser, err := n.merchants.IssueActivationCode(ctx, merchant.By{Actor: "demo", Reason: "演示：浏览器收银台"}, outlet)
	if err != nil {
		return fmt.Errorf("activation code: %w", err)
	}
	api, admin := n.apiAt.Addr(), n.adminAt.Addr()
	_, err = fmt.Fprintf(w, `
unioncard 演示已启动 / the demonstration is running

  接口 API            http://%s        文档 docs  http://%s/docs
  运维 operations     http://%s/metrics  /healthz  /readyz

  门店 shop           %d  %s（%s）
  终端激活码 till     %s   good once, until %s
  会员卡 card         %d
  会员码 code now     bin/unioncard card code %d --data %s
  更多 more           bin/unioncard demo outlets|cards --data %s

  收银台 in a browser http://%s/till     激活码 code: %s
  手机会员卡 phone    http://%s/m        手机号 number: %s，验证码显示在本窗口 its code comes up in this window
  名册样例 a roster   bin/unioncard roster sample --rows 2000 --faults 30 --seed %d --out roster.csv（以 jiceng1 登录，在“名册导入”上传 upload it as jiceng1）

  消费券 vouchers     http://%s/m#vouchers（同一手机号登录后领取，在上面的门店满50元自动抵用 claim with the same number, spend at the shop above）
  商家后台 portal     http://%s/portal    老板 owner: %s，财务 finance: %s，验证码同样显示在本窗口 codes come up here too

  公开目录 directory  http://%s/
  入网申请 apply      http://%s/apply
  管理台 console      http://%s/console     密码 password of all: %s
%s
`, api, api, admin, outlet, shop, offers, code.Code, code.ExpiresAt.In(beijing).Format(time.TimeOnly+" -07:00"), number, number, n.cfg.Data, n.cfg.Data,
		api, browser.Code, api, demo.WorkerPhone, demo.RosterSeed, api, api, demo.OwnerPhone, demo.KeeperPhone, api, api, api, demo.Password, logins())
	return err
}

// logins lists the demonstration's accounts, a line each.
func logins() string {
	var b strings.Builder
	for _, l := range demo.Logins() {
		fmt.Fprintf(&b, "    %-12s %s %s\n", l.Login, l.Name, l.About)
	}
	return b.String()
}
