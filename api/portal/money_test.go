package portal_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/xuri/excelize/v2"

	"unioncard/merchant/account"
	"unioncard/settlement"
	"unioncard/settlement/ledger"
	"unioncard/settlement/webhook"
)

func (r *rig) exec(sql string, args ...any) {
	r.t.Helper()
	_, err := r.pool.Exec(r.t.Context(), sql, args...)
	r.must(err)
}

// day is a business day some days ago.
func (r *rig) day(ago int) ledger.Day { return ledger.DayOf(time.Now()) - ledger.Day(ago) }

// sale records a purchase of an outlet, with a card of serial 77 and number ending in
// 4567, some days ago.
func (r *rig) sale(merchantID, outletID int64, ago int, ref string) uuid.UUID {
	r.t.Helper()
	r.exec(`INSERT INTO cards (serial, member_id, number, status, territory, name_masked, valid_until) VALUES (77, 1, 4101234567894567, 1, 410105, '张*', '2030-12-31')
		ON CONFLICT DO NOTHING`)
	at := r.day(ago).Start().Add(12 * time.Hour)
	id, err := uuid.NewV7()
	r.must(err)
	ms := at.UnixMilli()
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i))
	}
	r.exec(`INSERT INTO purchases (merchant_id, id, terminal_id, idem_key, request_hash, state, outlet_id, contract_id, terms_version,
		card_serial, code_kind, code_key, quote_id, quoted_at, amount_fen, discount_fen, union_share_fen, applied, lines, merchant_ref, operator, business_day, committed_at)
		VALUES ($1, $2, 3, $3, '', 1, $4, 1, 1, 77, 1, 1, 1, $5, 12345, 1000, 400, '[{"offer":"o1","fen":1000,"union_fen":400}]',
		  '[{"sku":"R1","category":"c","qty_milli":1500,"unit_price_fen":8230,"amount_fen":12345,"discount_fen":1000}]', $6, '01', $7, $5)`,
		merchantID, id, id.String(), outletID, at, ref, r.day(ago).Date())
	return id
}

// statement writes a closed statement of a merchant's outlet.
func (r *rig) statement(merchantID, outletID int64, ago int, purchase uuid.UUID) (id int64) {
	r.t.Helper()
	day := r.day(ago)
	b := settlement.Body{V: 1, Number: settlement.Number(day, merchantID), Merchant: merchantID, Day: day.String(), OpeningFen: 100, DueFen: 360, ClosingFen: 460,
		AdjustedFen: -40, Figures: settlement.Figures{Purchases: 1, GrossFen: 12345, DiscountFen: 1000, MerchantShareFen: 600, UnionShareFen: 400},
		Outlets: []settlement.OutletFigures{{Outlet: outletID, Figures: settlement.Figures{Purchases: 1, GrossFen: 12345}}},
		Adjustments: []settlement.Adjustment{{Kind: settlement.KindRefund, Purchase: purchase, Seq: 1, PurchaseDay: "2026-01-02", Outlet: outletID,
			ReturnedFen: 900, GivenBackFen: 100, Fen: -40}}}
	body, sum, err := b.Marshal()
	r.must(err)
	r.must(r.pool.QueryRow(r.t.Context(), `INSERT INTO statements (merchant_id, business_day, body, sha256, purchases, gross_fen, discount_fen, merchant_share_fen,
		union_share_fen, undone, refunds, returned_fen, given_back_fen, union_back_fen, adjustments, adjusted_fen, paid_fen, opening_fen, due_fen, closing_fen, confirm_by)
		VALUES ($1, $2, $3, $4, 1, 12345, 1000, 600, 400, 0, 0, 0, 0, 0, 1, -40, 0, 100, 360, 460, $2::date + 5) RETURNING id`,
		merchantID, day.Date(), body, sum[:]).Scan(&id))
	return id
}

// sees checks an answer's status and words.
func (r *rig) sees(what string, a answer, status int, words ...string) {
	r.t.Helper()
	if a.status != status {
		r.t.Errorf("%s: %d, want %d\n%s", what, a.status, status, a.body)
		return
	}
	for _, w := range words {
		if bad, no := strings.CutPrefix(w, "!"); strings.Contains(a.body, bad) == no {
			r.t.Errorf("%s: %q in the page: %v", what, bad, no)
		}
	}
}

// TestPurchases: a merchant finds its purchases, a manager those of the own shops,
// and nobody more of the worker than four figures of the card.
func TestPurchases(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	m, shops := r.shop("甲", 2)
	other, otherShops := r.shop("乙", 1)
	owner, manager, stranger := r.user(m, account.Owner), r.user(m, account.Manager, shops[0]), r.user(other, account.Owner)
	a, b := r.sale(m, shops[0], 1, "REF-A"), r.sale(m, shops[1], 2, "REF-B")
	old := r.sale(m, shops[0], 40, "REF-OLD")
	r.sale(other, otherShops[0], 1, "REF-O")
	r.exec(`INSERT INTO purchase_undos (merchant_id, purchase_id, seq, kind, terminal_id, request_hash, returned_fen, given_back_fen, union_back_fen, reason, answer, business_day, at)
		VALUES ($1, $2, 1, 3, 1, '', 900, 100, 40, '不想要了', '{}', $3, now())`, m, a, r.day(0).Date())
	const list = "/portal/purchases"
	since := "?from=" + r.day(50).String()
	r.sees("list", r.get(owner, list), 200, "REF-A", "REF-B", "!REF-OLD", "!REF-O<", "41** **** **** 4567", "!4101234567894567", "共 <strong>2</strong> 笔", "246.90")
	r.sees("manager's list", r.get(manager, list+since), 200, "REF-A", "!REF-B", "REF-OLD", "!甲2店")
	r.sees("manager asks for another shop", r.get(manager, list+"?outlet="+fmt.Sprint(shops[1])), 200, "!REF-B", "REF-A")
	r.sees("by shop", r.get(owner, list+since+"&outlet="+fmt.Sprint(shops[1])), 200, "REF-B", "!REF-A")
	r.sees("by reference", r.get(owner, list+since+"&q=REF-OLD"), 200, "REF-OLD", "!REF-A<")
	r.sees("by id", r.get(owner, list+"?q="+old.String()), 200, "REF-OLD", "!REF-A<")
	r.sees("by card", r.get(owner, list+"?last4=4567"), 200, "REF-A")
	r.sees("by another card", r.get(owner, list+"?last4=4568"), 200, "没有符合条件的交易")
	r.sees("by state", r.get(owner, list+"?state=5"), 200, "没有符合条件的交易")
	for _, odd := range []string{"?from=x&until=y", "?from=0001-01-01&until=9999-12-31", "?outlet=-1&state=99&last4=abcd&before=x", "?q=%00%ff", "?from=2030-01-01&until=2020-01-01",
		"?q=" + strings.Repeat("长", 300)} {
		r.sees(odd, r.get(owner, list+odd), 200)
	}
	r.sees("page", r.get(owner, list+"/"+a.String()), 200, "REF-A", "按金额退款", "不想要了", "1.5", "R1", "41** **** **** 4567", "!4101234567894567")
	r.sees("another shop's, by its manager", r.get(manager, list+"/"+b.String()), 404)
	r.sees("another merchant's", r.get(stranger, list+"/"+a.String()), 404)
	r.sees("none", r.get(owner, list+"/"+uuid.NewString()), 404)
	r.sees("no id", r.get(owner, list+"/x"), 404)
	r.sees("nobody", r.get("", list), 303)

	r.sees("csv", r.get(owner, list+"/export"+since+"&format=csv"), 200, "REF-A", "REF-B", "REF-OLD", "!REF-O,", ",123.45,", "!4101234567894567")
	r.sees("manager's csv", r.get(manager, list+"/export"+since+"&format=csv"), 200, "REF-A", "!REF-B", "REF-OLD")
	x := r.get(manager, list+"/export"+since+"&format=xlsx")
	r.sees("xlsx", x, 200)
	f, err := excelize.OpenReader(strings.NewReader(x.body))
	r.must(err)
	defer f.Close()
	rows, err := f.GetRows("交易")
	r.must(err)
	if len(rows) != 3 || rows[1][5] != "41** **** **** 4567" || rows[1][7] != "123.45" {
		t.Errorf("workbook %v", rows)
	}
}

// TestStatements: reading, confirming, disputing; by those who may.
func TestStatements(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	m, shops := r.shop("甲", 1)
	other, _ := r.shop("乙", 1)
	finance, manager, stranger := r.user(m, account.Finance), r.user(m, account.Manager, shops[0]), r.user(other, account.Owner)
	sold := r.sale(m, shops[0], 3, "REF-A")
	first, second := r.statement(m, shops[0], 3, sold), r.statement(m, shops[0], 2, sold)
	at := func(id int64) string { return "/portal/statements/" + itoa(id) }
	r.sees("list", r.get(finance, "/portal/statements"), 200, settlement.Number(r.day(3), m), "待确认", "7.20", "甲")
	r.sees("exported", r.get(finance, "/portal/statements?format=csv"), 200, settlement.Number(r.day(3), m), "3.60")
	r.sees("page", r.get(finance, at(first)), 200, "甲1店", "这笔交易", sold.String(), "4.60", "核对无误，确认")
	r.sees("month", r.get(finance, "/portal/statements/month?m="+r.day(2).Date().Format("2006-01")), 200, settlement.Number(r.day(2), m), "本月应付")
	r.sees("month of nothing", r.get(finance, "/portal/statements/month?m=2001-01"), 200, "这个月没有结算单")
	r.sees("no month", r.get(finance, "/portal/statements/month?m=x"), 200)
	for _, path := range []string{at(first), at(first) + "/pdf", at(first) + "/xlsx"} {
		r.sees("manager: "+path, r.get(manager, path), 403)
		r.sees("stranger: "+path, r.get(stranger, path), 404)
	}
	for _, format := range []string{"/pdf", "/xlsx"} {
		one, two := r.get(finance, at(first)+format), r.get(finance, at(first)+format)
		if one.status != 200 || one.body != two.body || len(one.body) < 1000 {
			t.Errorf("%s: %d, %d bytes, the same twice: %v", format, one.status, len(one.body), one.body == two.body)
		}
	}
	r.sees("stranger's confirmation", r.post(stranger, at(first)+"/confirm", url.Values{"version": {"1"}}), 404)
	r.sees("without having seen it", r.post(finance, at(first)+"/confirm", url.Values{}), 303)
	r.sees("still open", r.get(finance, at(first)), 200, "核对无误，确认")
	r.sees("confirm", r.post(finance, at(first)+"/confirm", url.Values{"version": {"1"}}), 303)
	r.sees("confirmed", r.get(finance, at(first)), 200, "已确认", "商家确认", "!核对无误，确认")
	r.sees("dispute what is confirmed", r.post(finance, at(first)+"/dispute", url.Values{"version": {"2"}, "reason": {"少了"}}), 303)
	r.sees("no reason", r.post(finance, at(second)+"/dispute", url.Values{"version": {"1"}, "reason": {"  "}}), 422, "请写明哪里不对")
	r.sees("a phone number in the reason", r.post(finance, at(second)+"/dispute", url.Values{"version": {"1"}, "reason": {"会员13812345678的"}}), 422, "不要写身份证号或手机号", "会员13812345678的")
	r.sees("dispute", r.post(finance, at(second)+"/dispute", url.Values{"version": {"1"}, "reason": {"少了一笔"}}), 303)
	r.sees("disputed", r.get(finance, at(second)), 200, "申诉中", "少了一笔", "等工会答复")
	var actors string
	r.must(r.pool.QueryRow(t.Context(), `SELECT string_agg(DISTINCT split_part(actor, ':', 1), ' ') FROM events WHERE object_kind = 'statement'`).Scan(&actors))
	if actors != "merchant" {
		t.Errorf("events by %s", actors)
	}
}

// TestWebhooks: endpoints through the pages.
func TestWebhooks(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	m, _ := r.shop("甲", 1)
	other, _ := r.shop("乙", 1)
	owner, finance, stranger := r.user(m, account.Owner), r.user(m, account.Finance), r.user(other, account.Owner)
	form := func(more ...string) url.Values {
		v := url.Values{"name": {"收银"}, "url": {"https://pos.example.com/hooks"}, "events": {"purchase.committed", "statement.closed"}}
		for i := 0; i+1 < len(more); i += 2 {
			v.Set(more[i], more[i+1])
		}
		return v
	}
	const list = "/portal/webhooks"
	r.sees("empty", r.get(owner, list), 200, "还没有推送地址")
	r.sees("form", r.get(owner, list+"/new"), 200, "当日撤销")
	r.sees("finance", r.get(finance, list), 403)
	for _, bad := range []string{"http://pos.example.com/", "https://10.1.2.3/", "https://user@pos.example.com/", "x"} {
		r.sees(bad, r.post(owner, list, form("url", bad)), 422, "收银", bad)
	}
	made := r.post(owner, list, form())
	r.sees("made", made, 200, "whsec_", "只显示这一次")
	secret := regexp.MustCompile(`whsec_[A-Za-z0-9+/=]+`).FindString(made.body)
	page := list + "/" + regexp.MustCompile(`/portal/webhooks/(\d+)`).FindStringSubmatch(made.body)[1]
	r.sees("page", r.get(owner, page), 200, "pos.example.com", "成交、结算单生成", "!"+secret)
	r.sees("list", r.get(owner, list), 200, "pos.example.com", "启用", "!"+secret)
	for _, path := range []string{page, page + "/edit", page + "/messages/1"} {
		r.sees("stranger: "+path, r.get(stranger, path), 404)
	}
	for _, action := range []string{"edit", "rotate", "pause", "resume", "delete", "test", "messages/1/resend"} {
		r.sees("stranger: "+action, r.post(stranger, page+"/"+action, form("version", "1")), 404)
	}
	r.sees("edit form", r.get(owner, page+"/edit"), 200, "https://pos.example.com/hooks")
	r.sees("edit", r.post(owner, page+"/edit", form("version", "1", "name", "新收银")), 303)
	r.sees("edit, an old version", r.post(owner, page+"/edit", form("version", "1", "name", "第三")), 409, "被别人改过", "第三", "新收银")
	r.sees("test", r.post(owner, page+"/test", nil), 303)
	r.sees("log", r.get(owner, page+"?type=webhook.test&state=1"), 200, "等待推送", "测试")
	r.sees("log of others", r.get(owner, page+"?type=purchase.voided"), 200, "没有推送记录")
	var message int64
	r.must(r.pool.QueryRow(t.Context(), `SELECT id FROM webhook_messages`).Scan(&message))
	r.sees("message", r.get(owner, page+"/messages/"+itoa(message)), 200, "这是一条测试消息", "还没有推送过")
	r.sees("no message", r.get(owner, page+"/messages/"+itoa(message+1)), 404)
	r.sees("resend", r.post(owner, page+"/messages/"+itoa(message)+"/resend", nil), 303)
	r.sees("pause", r.post(owner, page+"/pause", url.Values{"version": {"2"}}), 303)
	r.sees("paused", r.get(owner, page), 200, "已由商家暂停", "恢复推送")
	r.sees("test of a paused one", r.post(owner, page+"/test", nil), 303)
	r.sees("resume", r.post(owner, page+"/resume", url.Values{"version": {"3"}, "backfill": {"1"}}), 303)
	rotated := r.post(owner, page+"/rotate", url.Values{"version": {"4"}})
	r.sees("rotate", rotated, 200, "whsec_", "24 小时", "!"+secret)
	r.sees("rotate, an old version", r.post(owner, page+"/rotate", url.Values{"version": {"4"}}), 303)
	r.sees("delete", r.post(owner, page+"/delete", url.Values{"version": {"5"}}), 303)
	r.sees("deleted", r.get(owner, page), 404)
	for range webhook.MaxEndpoints {
		r.sees("many", r.post(owner, list, form()), 200)
	}
	r.sees("one too many", r.post(owner, list, form()), 409, "最多5个")
}

// TestWebhookDocs: the example of the documentation is right.
func TestWebhookDocs(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	a := r.get("", "/docs/webhooks")
	r.sees("docs", a, 200, "purchase.refunded", "statement.paid", "410")
	s, err := webhook.NewSample()
	r.must(err)
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(s.Secret, "whsec_"))
	r.must(err)
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", s.ID, s.Timestamp, s.Body)
	if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); s.Signature != want {
		t.Errorf("signature %s, want %s", s.Signature, want)
	}
	if !bytes.Contains([]byte(a.body), []byte(strings.ReplaceAll(s.Signature, "+", "&#43;"))) {
		t.Error("the page has another signature")
	}
}
