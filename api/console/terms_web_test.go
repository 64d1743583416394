package console_test

import (
	"bytes"
	"fmt"
	"mime/multipart"
	"net/url"
	"strings"
	"testing"
	"time"

	"unioncard/card/union/staff"
	"unioncard/merchant"
	"unioncard/merchant/draft"
)

// A clerk drafts an offer below the floor, is shown the basket and the curve,
// mends it and sees it pass: what publishing then says too.
func TestTermsFromBelowToAbove(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	c := d.clerk("wang", d.unions[jinshui], staff.Negotiator)
	c.get(d.terms("")).is(200, "还没有优惠", "添加一项优惠", "每满减", "餐饮行业省级底线（第1版）", "9折")
	c.get(d.terms("/offer?kind=amount_off")).is(200, "满", "减", "保存到草稿")
	typed := url.Values{"kind": {"amount_off"}, "version": {"0"}, "at": {"158"}, "off": {"20"}}
	c.post(d.terms("/check"), typed).is(200, "低于省级底线", "消费 0.01 元时", "少 0.01 元", "消费多少、优惠多少", "未达到优惠门槛").
		lacks("<html")
	if _, err := d.drafts.Get(d.ctx, draft.ContractObject(d.contract)); err == nil {
		t.Error("the check saved a draft")
	}
	if a := c.post(d.terms("/offer"), typed).is(303); a.to != d.terms("") {
		t.Errorf("sent to %s", a.to)
	}
	c.get(d.terms("")).is(200, "草稿第 1 稿", "职员wang", "满158元减20元", "低于省级底线", "把底线的“9折”加进来")
	c.post(d.terms("/adopt"), url.Values{"version": {"1"}, "bound": {d.bound()}, "offer": {"base"}}).is(303)
	c.get(d.terms("")).is(200, "草稿第 2 稿", "不低于省级底线，可以提请审批", "9折")
	saved, err := d.drafts.Get(d.ctx, draft.ContractObject(d.contract))
	d.must(err)
	doc, err := saved.Terms.Canonical()
	d.must(err)
	if _, err := d.shops.PublishTerms(d.ctx, byCLI, d.contract, doc, time.Time{}); err != nil {
		t.Errorf("publishing what the page called good: %v", err)
	}
	c.get(d.terms("/history")).is(200, "已发布第 1 版", "草稿第 2 稿", "从“已发布第 1 版”到“草稿第 2 稿”", "没有不同")
	c.get(d.terms("/history?a=d1&b=d2")).is(200, "新增“九折底线”：9折")
}

// Every kind goes in by its form and out in words.
func TestTermsEveryKind(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	c := d.clerk("wang", d.unions[jinshui], staff.Negotiator)
	for i, k := range []struct {
		form  string
		words string
	}{
		{"kind=percent&rate=8.8&nocat=catering.drink", "8.8折"},
		{"kind=amount_off&at=158&off=20&uses_day=1", "满158元减20元"},
		{"kind=every&at=100&off=15&times=3&cap=40", "每满100元减15元（最多减3次，即45元）"},
		{"kind=tiers&tier_by=off&tier_at=100&tier_give=10&tier_at=300&tier_give=50&weekday=1&weekday=2&weekday=3", "满100元减10元、满300元减50元"},
		{"kind=unit_price&price_sku=HM-L&price_yuan=18.8", "团购价：HM-L 18.8元"},
		{"kind=per_unit&per=0.3&cat=transport.gasoline&stacks=1", "每升减0.3元"},
	} {
		typed, err := url.ParseQuery(k.form)
		d.must(err)
		c.get(d.terms("/offer?kind=" + typed.Get("kind"))).is(200)
		typed.Set("version", fmt.Sprint(i))
		c.post(d.terms("/offer"), typed).is(303)
		c.get(d.terms("")).is(200, k.words)
		c.get(d.terms(fmt.Sprintf("/offer?offer=o%d", i+1))).is(200, "修改优惠")
	}
	c.get(d.terms("")).is(200, "全部商品（酒水除外）", "每卡每日限1次", "每单最多减40元", "周一至周三", "可同享")
	c.post(d.terms("/arrange"), url.Values{"version": {"6"}, "offer": {"o2"}, "do": {"up"}}).is(303)
	c.post(d.terms("/arrange"), url.Values{"version": {"7"}, "offer": {"o6"}, "do": {"copy"}}).is(303)
	c.post(d.terms("/arrange"), url.Values{"version": {"8"}, "offer": {"o5"}, "do": {"remove"}}).is(303)
	saved, err := d.drafts.Get(d.ctx, draft.ContractObject(d.contract))
	d.must(err)
	var ids []string
	for _, o := range saved.Terms.Offers {
		ids = append(ids, o.ID)
	}
	if got := strings.Join(ids, " "); got != "o2 o1 o3 o4 o6 o7" {
		t.Error(got)
	}
	c.post(d.terms("/restore"), url.Values{"version": {"9"}, "state": {"d6"}}).is(303)
	c.get(d.terms("")).is(200, "草稿第 10 稿", "团购价")
	c.get(d.terms("?t_cat=catering.dine&t_sku=&t_qty=2&t_price=100&t_cat=catering.drink&t_sku=&t_qty=&t_price=50")).
		is(200, "合计 250.00 元，优惠 30.00 元，实付 220.00 元", "“8.8折”没有用上：与其他优惠不可同享", "“每单位（升、公斤、件）减0.3元”没有用上：所购商品不参加该优惠")
}

// Two clerks on one draft: the second is told what changed, keeps what was typed,
// and may then save on top.
func TestTermsTwoClerks(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	wang, li := d.clerk("wang", d.unions[jinshui], staff.Negotiator), d.clerk("li", d.unions[zhengzhou], staff.Negotiator)
	wang.post(d.terms("/offer"), url.Values{"kind": {"percent"}, "rate": {"8.8"}, "version": {"0"}}).is(303)
	wang.post(d.terms("/offer"), url.Values{"kind": {"percent"}, "rate": {"8.5"}, "id": {"o1"}, "title": {"会员折扣"}, "version": {"1"}}).is(303)
	typed := url.Values{"kind": {"amount_off"}, "at": {"77"}, "off": {"7"}, "version": {"1"}}
	li.post(d.terms("/offer"), typed).is(409, "职员wang", "先保存了草稿", "“会员折扣”由“8.8折”改为“8.5折”").is(409)
	li.post(d.terms("/arrange"), url.Values{"offer": {"o1"}, "do": {"remove"}, "version": {"1"}}).is(409, "职员wang")
	li.post(d.terms("/restore"), url.Values{"state": {"none"}, "version": {"1"}}).is(409, "职员wang")
	if a := li.post(d.terms("/offer"), typed); !strings.Contains(a.body, `name="version" value="2"`) || !strings.Contains(a.body, `value="77"`) {
		t.Error("the form did not keep what was typed, on the version there is")
	}
	typed.Set("version", "2")
	li.post(d.terms("/offer"), typed).is(303)
	wang.get(d.terms("")).is(200, "8.5折", "满77元减7元", "职员li")
}

// bound is the key of the one floor.
func (d *desk) bound() string {
	d.t.Helper()
	bounds, err := d.shops.BoundsOf(d.ctx, d.contract)
	d.must(err)
	return fmt.Sprintf("%d-0-%d", bounds[0].Bound.FloorID, bounds[0].Bound.Version)
}

// Refused forms keep what was typed and say what to do; nothing is saved.
func TestTermsBadInput(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	c := d.clerk("wang", d.unions[jinshui], staff.Negotiator)
	c.post(d.terms("/offer"), url.Values{"kind": {"percent"}, "rate": {"88"}, "title": {"八八折"}, "version": {"0"}}).
		is(422, "八八折填 8.8").is(422)
	c.post(d.terms("/check"), url.Values{"kind": {"percent"}, "rate": {""}}).is(200, "填完整后自动比较")
	c.post(d.terms("/offer"), url.Values{"kind": {"percent"}, "rate": {"9"}, "stacks": {"1"}, "stack": {"1"}, "version": {"0"}}).is(303)
	c.post(d.terms("/offer"), url.Values{"kind": {"percent"}, "rate": {"9"}, "stacks": {"1"}, "stack": {"1"}, "version": {"1"}}).is(422, "叠加次序 1 已被")
	for _, version := range []string{"", "-1", "x", "99999999999", "7"} {
		c.post(d.terms("/offer"), url.Values{"kind": {"percent"}, "rate": {"9"}, "version": {version}}).is(409)
	}
	c.post(d.terms("/arrange"), url.Values{"offer": {"nope"}, "do": {"remove"}, "version": {"1"}}).is(303)
	c.post(d.terms("/arrange"), url.Values{"offer": {"o1"}, "do": {"bogus"}, "version": {"1"}}).is(400)
	c.post(d.terms("/adopt"), url.Values{"bound": {"9-9-9"}, "offer": {"base"}, "version": {"1"}}).is(303)
	c.post(d.terms("/restore"), url.Values{"state": {"p7"}, "version": {"1"}}).is(422, "已经不在了")
	for _, state := range []string{"", "d", "p", "d99", "x", "d-1"} {
		c.post(d.terms("/restore"), url.Values{"state": {state}, "version": {"1"}}).is(422)
	}
	c.get(d.terms("/offer?kind=bogus")).is(404)
	c.get(d.terms("/offer?offer=nope")).is(404)
	c.get(d.terms("?curve_until=-5&curve_price=x&curve_cat=%00&t_price=9e99&t_qty=1")).is(200)
	c.get(d.terms("?curve_until=1000000&curve_price=0.01")).is(200)
	many := url.Values{"kind": {"unit_price"}, "version": {"1"}}
	for i := range 1500 {
		many.Add("price_sku", fmt.Sprintf("s%d", i))
		many.Add("price_yuan", "1")
	}
	c.post(d.terms("/offer"), many).is(422, "最多 1000 种")
	if d2, err := d.drafts.Get(d.ctx, draft.ContractObject(d.contract)); err != nil || d2.Version != 1 {
		t.Errorf("%+v, %v", d2, err)
	}
}

// Without scripts the form has buttons for the check and for more rows; neither
// saves.
func TestTermsWithoutScripts(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	c := d.clerk("wang", d.unions[jinshui], staff.Negotiator)
	typed := url.Values{"kind": {"tiers"}, "tier_by": {"off"}, "tier_at": {"100"}, "tier_give": {"5"}, "version": {"0"}, "do": {"preview"}}
	if a := c.post(d.terms("/offer"), typed).is(200, "低于省级底线", "消费 0.01 元时"); !strings.Contains(a.body, `name="tier_at" value="100"`) {
		t.Error("what was typed is gone")
	}
	typed.Set("do", "row")
	if a := c.post(d.terms("/offer"), typed).is(200); strings.Count(a.body, `name="tier_at"`) < 5 {
		t.Errorf("%d rows", strings.Count(a.body, `name="tier_at"`))
	}
	if v, err := d.drafts.Version(d.ctx, draft.ContractObject(d.contract)); err != nil || v != 0 {
		t.Errorf("version %d, %v", v, err)
	}
}

// The raw document: faults are shown at their line, a paste of 10,000 offers is
// refused in words, a good one saved.
func TestTermsJSON(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	c := d.clerk("wang", d.unions[jinshui], staff.Negotiator)
	paste := func(doc, version string) *answer {
		t.Helper()
		var b bytes.Buffer
		w := multipart.NewWriter(&b)
		for name, value := range map[string]string{"doc": doc, "version": version} {
			d.must(w.WriteField(name, value))
		}
		d.must(w.Close())
		return c.send("POST", d.terms("/json"), w.FormDataContentType(), &b)
	}
	offer := func(id string, rate int) string {
		return fmt.Sprintf("{\n\"id\":%q,\"title\":\"折\",\"benefit\":{\"kind\":\"percent\",\"rate_bp\":%d},\"funding_bp\":10000}", id, rate)
	}
	paste("{\"v\":1,\n\"offers\":[\n"+offer("a", 9000)+",\n"+offer("b", 99999)+"]}", "0").is(422, "第 5 行", "折扣请填")
	paste("{\"v\":1,\n\"offers\":[\n}", "0").is(422, "第 3 行", "不是完整的 JSON")
	paste("{\"v\":1,\"offers\":[{\"id\":\"a\",\"bogus\":1}]}", "0").is(422, "bogus")
	paste("{\"v\":1,\"offers\":[null]}", "0").is(422)
	var many []string
	for i := range 10_000 {
		many = append(many, offer(fmt.Sprintf("o%d", i), 9000))
	}
	paste("{\"v\":1,\"offers\":["+strings.Join(many, ",")+"]}", "0").is(422, "超过 256 KB", "最多 64 项")
	paste("{\"v\":1,\"offers\":["+strings.Join(many[:65], ",")+"]}", "0").is(422, "最多 64 项")
	paste("{\"v\":1,\"offers\":["+offer("a", 9000)+"]}", "5").is(409)
	paste("{\"v\":1,\"offers\":["+offer("a", 8800)+"]}", "0").is(303)
	c.get(d.terms("/json")).is(200, `"rate_bp": 8800`)
}

// Who may only read sees all and changes nothing; outside the territory there is
// nothing; a floor is the province's.
func TestTermsRights(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	own, upper := d.unions[jinshui], d.unions[zhengzhou]
	reader, elsewhere := d.clerk("shen", upper, staff.Auditor), d.clerk("luo", d.unions[luoyang], staff.Negotiator)
	operator, province := d.clerk("cao", own, staff.Operator), d.clerk("sheng", d.root, staff.Negotiator)
	county := d.clerk("jinshui1", own, staff.Negotiator)
	county.post(d.terms("/offer"), url.Values{"kind": {"percent"}, "rate": {"8.8"}, "version": {"0"}}).is(303)
	reader.get(d.terms("")).is(200, "您只能查看", "8.8折").lacks("添加一项优惠", "/arrange")
	reader.get(d.terms("/history")).is(200).lacks("/restore")
	reader.get(d.terms("/json")).is(200)
	for _, c := range []struct {
		who    *clerk
		status int
	}{{reader, 403}, {elsewhere, 404}, {operator, 403}} {
		c.who.get(d.terms("/offer?kind=percent")).is(c.status)
		for _, page := range []string{"/offer", "/check", "/arrange", "/adopt", "/restore"} {
			c.who.post(d.terms(page), url.Values{"kind": {"percent"}, "rate": {"8"}, "version": {"1"}, "offer": {"o1"}, "do": {"remove"}, "state": {"none"}}).is(c.status)
		}
	}
	elsewhere.get(d.terms("")).is(404)
	const floor = "/console/floors/edit"
	county.get(floor + "?trade=catering").is(404)
	county.post(floor+"/offer?trade=catering", url.Values{"kind": {"percent"}, "rate": {"8"}, "version": {"0"}}).is(404)
	for _, bad := range []string{"", "?trade=bogus", "?trade=catering&brand=x", "?brand="} {
		province.get(floor + bad).is(404)
	}
	province.get(floor+"?trade=catering").is(200, "餐饮行业的省级底线", "9折", "与现行底线一样")
	province.post(floor+"/offer?trade=catering", url.Values{"kind": {"percent"}, "rate": {"8.5"}, "id": {"base"}, "version": {"0"}}).is(303)
	province.get(floor+"?trade=catering").is(200, "8.5折", "比现行底线更优惠", "看影响")
	if saved, err := d.drafts.Get(d.ctx, draft.FloorObject(merchant.TradeCatering, "")); err != nil || saved.Terms.Offers[0].Benefit.RateBP != 8500 {
		t.Errorf("%+v, %v", saved, err)
	}
	province.post(floor+"/offer?"+url.Values{"brand": {"永辉/东区 & 西区"}}.Encode(), url.Values{"kind": {"percent"}, "rate": {"8"}, "version": {"0"}}).is(303)
	province.get(floor+"?"+url.Values{"brand": {"永辉/东区 & 西区"}}.Encode()).is(200, "品牌“永辉/东区 & 西区”的省级底线", "这是第一版底线")
}
