package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"unioncard/card"
	"unioncard/card/batch"
	"unioncard/card/union/staff"
)

// TestMembershipWork: the start page says what waits for who keeps members and cards,
// in their own territory, and the link leads to it.
func TestMembershipWork(t *testing.T) {
	t.Parallel()
	b := newProvince(t).serve(t, "")
	ctx := t.Context()
	maker := b.hire("maker", b.unions[jinshui], staff.Registrar)
	roll, err := b.node.rosters.Upload(ctx, maker.account(), b.unions[jinshui], "名册.csv", strings.NewReader("姓名,身份证号,工会\n王芳,1,甲\n"))
	b.must(err)
	soon(t, time.Now(), time.Minute, "the check", func() bool {
		return b.number(`SELECT count(*) FROM roster_runs WHERE id = $1 AND state = 'checked'`, roll) == 1
	})
	here, err := b.node.territory.Add(ctx, testBy, b.unions[jinshui], "甲厂工会委员会")
	b.must(err)
	there, err := b.node.territory.Add(ctx, testBy, b.unions[luoyang], "乙厂工会委员会")
	b.must(err)
	member, err := b.node.cards.Enroll(ctx, cardBy, card.NewMember{UnionID: here, Name: "张三"})
	b.must(err)
	_, err = b.node.members.RequestTransfer(ctx, cardBy, member, there)
	b.must(err)
	_, err = b.pool.Exec(ctx, `UPDATE member_transfers SET due_at = now() + interval '1 day'`)
	b.must(err)
	_, err = b.node.batches.Create(ctx, cardBy, batch.Draft{Kind: batch.Issue, UnionID: here, Title: "旧批次", Target: 1,
		DueOn: batch.Today(time.Now().AddDate(0, 0, -2)), ValidUntil: card.MonthOf(time.Now()) + 24})
	b.must(err)
	waits := map[string]string{"自动转出的会员": "/console/transfers?side=out&state=requested", "等确认导入的名册": "/console/rosters"}
	for says, at := range waits {
		maker.want("the registrar's start", maker.get("/console"), http.StatusOK, says, at)
		maker.want(at, maker.get(at), http.StatusOK)
	}
	cards := b.hire("cards", b.unions[zhengzhou], staff.CardManager)
	cards.want("the card manager's start", cards.get("/console"), http.StatusOK, "还没发完的批次", "/console/batches?late=1")
	cards.want("the late batches", cards.get("/console/batches?late=1"), http.StatusOK, "旧批次")
	for _, role := range []staff.Role{staff.Registrar, staff.CardManager} {
		beside := b.hire("beside-"+strings.ReplaceAll(string(role), "_", "-"), b.unions[luoyang], role)
		shown := beside.want("beside", beside.get("/console"), http.StatusOK)
		for _, says := range []string{"自动转出", "等确认导入", "还没发完"} {
			if strings.Contains(shown.body, says) {
				t.Errorf("a %s elsewhere is told of %q", role, says)
			}
		}
	}
}
