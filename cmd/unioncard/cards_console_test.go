package main

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"unioncard/card"
	"unioncard/card/union/staff"
)

// TestBatchInWords: a card manager names a union by a part of its name, reads how
// many cards each step takes before it is done, has to say whose cards are handed
// out, sees at once what was done, and what became of a card whose plastic was
// replaced.
func TestBatchInWords(t *testing.T) {
	t.Parallel()
	b := newProvince(t).serve(t, "")
	ctx, county := t.Context(), b.unions[410105]
	var works [2]int64
	for i, name := range []string{"红旗渠机械厂工会", "红旗渠纺织厂工会"} {
		id, err := b.node.territory.Add(ctx, testBy, county, name)
		b.must(err)
		works[i] = id
	}
	by := card.By{Actor: "test", Reason: "test"}
	var members []int64
	for i := range 4 {
		id, err := b.node.cards.Enroll(ctx, by, card.NewMember{UnionID: works[i/3], Name: "王小明", Class: 0})
		b.must(err)
		members = append(members, id)
	}
	c := b.hire("cardmanager", county, staff.CardManager)
	due, month := time.Now().AddDate(0, 1, 0).Format(time.DateOnly), time.Now().Format("2006-01")
	plan := func(kind, union, target string) *reply {
		return c.post("/console/batches", "kind", kind, "title", "秋季", "union", union, "target", target, "due_on", due,
			"valid_until", "2031-12", "expiring", month, "reason", "计划")
	}
	run := func(at string) {
		c.want("start", c.post(at+"/move", "action", "start", "version", "1", "reason", "开始"), 303)
		soon(t, time.Now(), time.Minute, "the batch", func() bool { return b.number(`SELECT count(*) FROM batches WHERE status = 2`) == 0 })
	}

	if county, err := b.node.batches.UnionsNamed(ctx, "/", idText(county)); err != nil || len(county) != 1 {
		t.Fatal(county, err)
	} else {
		c.want("the own union by name", c.get("/console/batches/new"), 200, `value="`+county[0].Name+`"`, "将给 4 位会员各发一张新卡")
	}
	c.want("a part of two names", plan("issue", "红旗渠", "2"), 422, "红旗渠机械厂工会（编号", "红旗渠纺织厂工会（编号", "不止一个")
	c.want("no such union", plan("issue", "没有的厂", "2"), 422, "没有这个工会")
	at := c.want("a part of one name", plan("issue", "红旗渠机械", "2"), 303).to()
	shown := c.want("planned", c.get(at), 200, "将给 3 位会员各发一张新卡，比计划多 1 张", "新建批次", "结束批次").body
	if strings.Contains(shown, "还没有办过什么") {
		t.Error("the history says that nothing was done")
	}
	run(at)

	// Handing out: nothing left empty means all.
	hand := func(form ...string) *reply { return c.post(at+"/hand", append(form, "hand_reason", "送到厂里")...) }
	c.want("what waits", c.get(at), 200, "红旗渠机械厂工会（待交付 3 张，待激活 0 张）", "这个批次全部还没有交付的 3 张卡")
	c.want("whose cards?", hand("what", "deliver"), 422, "请选择办哪些卡")
	c.want("which union?", hand("what", "deliver", "whom", "union"), 422, "请选择是哪个工会的卡")
	c.want("which numbers?", hand("what", "deliver", "whom", "numbers"), 422, "请填写卡号")
	if n := b.number(`SELECT count(*) FROM cards WHERE delivered_at IS NOT NULL`); n != 0 {
		t.Fatalf("%d handed out by refused forms", n)
	}
	live := func(i int) card.Card {
		c, err := b.node.cards.Live(ctx, members[i])
		b.must(err)
		return c
	}
	c.want("one", hand("what", "deliver", "whom", "numbers", "numbers", fmt.Sprint(live(0).Number)), 303)
	c.want("its activation", hand("what", "activate", "whom", "union", "union", idText(works[0])), 303)
	c.want("what was done", c.get(at), 200, "送到厂里", "待交付 2 张")

	// A card by itself: each choice says what it does to this card alone.
	own := fmt.Sprintf("/console/cards/%d", live(0).Serial)
	page := c.want("a card", c.get(own), 200, "将挂失：王** 的会员卡 "+card.MaskNumber(live(0).Number)).body
	if strings.Contains(page, "确定办理吗") || strings.Count(page, "注销") > 4 {
		t.Error("one warning for all actions")
	}
	c.want("replace", c.post(own+"/move", "action", "replace", "version", idText(live(0).Version), "reason", "卡坏了"), 303)
	c.want("replace what was shown before", c.post(own+"/move", "action", "replace", "version", idText(live(0).Version-1), "reason", "卡坏了"), 422,
		"这张卡刚被别人办理过", "第 2 张")
	c.want("replace without a version", c.post(own+"/move", "action", "replace", "reason", "卡坏了"), 422, "这张卡刚被别人办理过", "第 2 张")
	c.want("replaced", c.get(own), 200, "卡坏了", "第 2 张", "新卡还没有列入", "新卡还没有交付", "旧卡时激活")

	// A file has a Chinese name.
	c.want("file", c.post(at+"/file"), 303)
	d := c.post(at+"/download", "file", idText(b.number(`SELECT max(id) FROM batch_files`)), "format", "csv-1", "print_reason", "制卡")
	name, err := url.PathUnescape(d.header.Get("Content-Disposition"))
	if err != nil || !strings.Contains(name, "filename*=UTF-8''制卡名单-批次") {
		t.Errorf("downloaded as %s, %v", name, err)
	}

	// A renewal renews what it says: the active cards.
	_, err = b.pool.Exec(ctx, `UPDATE cards SET valid_until = '2026-01-31'`)
	b.must(err)
	at = c.want("renewal", plan("renew", "红旗渠机械", "3"), 303).to()
	c.want("how many", c.get(at), 200, "将续期 1 张在用卡，比计划少 2 张", "待激活、已挂失和已停用的不续")
	run(at)
	c.want("renewed", c.get(at), 200, "已续期 <strong>1</strong> 张", "现在没有要续期的")
}
