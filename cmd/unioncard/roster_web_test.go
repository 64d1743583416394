package main

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"unioncard/card"
	rostersample "unioncard/card/roster/sample"
	"unioncard/card/union"
	"unioncard/card/union/staff"
)

// TestRosterPages is a registrar's roster over HTTP: uploaded, checked, its faults
// taken, applied, and told of when it comes again; and what others may not.
func TestRosterPages(t *testing.T) {
	t.Parallel()
	b := newProvince(t).serve(t, "")
	ctx := t.Context()
	cards := card.NewStore(b.pool, card.StoreOptions{})
	works := func(name string, division int32) int64 {
		u, err := cards.CreateUnion(ctx, card.By{Actor: "test", Reason: "test"}, union.Union{Kind: union.Grassroots, Name: name, ParentID: b.unions[division]})
		b.must(err)
		return u.ID
	}
	here, beside := works("甲厂工会委员会", 410105), works("乙厂工会委员会", 410305)
	hand := b.hire("jiceng", here, staff.Registrar)
	county := b.hire("county", b.unions[410105], staff.Registrar)
	other := b.hire("elsewhere", beside, staff.Registrar)
	reader := b.hire("cards", b.unions[410105], staff.CardManager)

	hand.want("the list", hand.get("/console/rosters"), http.StatusOK, "还没有上传过名册", "名册模板")
	if template := hand.get("/console/rosters/template"); template.status != http.StatusOK || !strings.HasPrefix(template.body, "PK") {
		t.Error("no template")
	}
	var file bytes.Buffer
	_, err := rostersample.Write(&file, rostersample.Spec{Rows: 300, Faults: 12, Seed: 3})
	b.must(err)
	send := func(c *clerk, data []byte, pairs ...string) *reply {
		return c.upload("/console/rosters", "file", "会员.csv", data, pairs...)
	}
	at := hand.want("upload", send(hand, file.Bytes()), http.StatusSeeOther).to()
	checked := func(at string) {
		t.Helper()
		soon(t, time.Now(), 20*time.Second, "check of "+at, func() bool { return strings.Contains(hand.get(at).body, "检查完了") })
	}
	checked(at)
	hand.want("the check", hand.get(at), http.StatusOK, "300 行", "288 行没有问题，12 行要改", "导入 288 人", "校验位不对", "与第", "放弃这份名册")
	hand.want("rows by outcome", hand.get(at+"?show=1&after=100"), http.StatusOK, "逐行查看：新登记", "4101")
	hand.want("nonsense", hand.get(at+"?show=x&after=-1"), http.StatusOK, "逐行查看：有问题")
	for _, format := range []string{"xlsx", "csv"} {
		if f := hand.post(at+"/faults", "format", format, "faults_reason", "自己改正"); f.status != http.StatusOK || len(f.body) < 500 || !strings.Contains(f.header.Get("Content-Disposition"), "attachment") {
			t.Errorf("%s: %d, %d bytes", format, f.status, len(f.body))
		}
	}

	hand.want("faults for no reason", hand.post(at+"/faults", "format", "csv"), http.StatusUnprocessableEntity, "请写明理由", "按名册登记会员")
	if n := b.number(`SELECT count(*) FROM events WHERE action = 'roster.faults' AND reason = '自己改正'`); n != 2 {
		t.Errorf("%d downloads are logged with their reason", n)
	}

	turned := hand.want("two columns turned", send(hand, []byte("姓名,身份证号,手机号\n王小明,13800000001,"+workerID(t, 1)+"\n")), http.StatusSeeOther).to()
	checked(turned)
	if body := hand.want("the check", hand.get(turned), http.StatusOK, "两列可能填反了", "在原来的文件里对调两列").body; strings.Contains(body, "下载问题名册") {
		t.Error("the rows of turned columns are offered one by one")
	}

	// Who may not: nobody learns of another's roster, and a reader changes nothing.
	other.want("another's", other.get(at), http.StatusNotFound)
	for _, path := range []string{"/apply", "/discard", "/faults"} {
		other.want("another's "+path, other.post(at+path, "reason", "x"), http.StatusNotFound)
		reader.want("a reader's "+path, reader.post(at+path, "reason", "x"), http.StatusForbidden)
	}
	reader.want("a reader's", reader.get(at), http.StatusOK, "由会籍管理员确认导入")
	reader.want("a reader's upload", send(reader, []byte("x")), http.StatusForbidden)
	for _, id := range []string{fmt.Sprint(beside), fmt.Sprint(b.unions[410105]), "999999999", "-1", "9223372036854775808", "1 OR 1=1", ""} {
		hand.want("a forged union "+id, send(hand, []byte("姓名,身份证号\n"), "union_id", id), http.StatusUnprocessableEntity, "请选择本单位或下级工会")
	}
	county.want("a union below", send(county, []byte("姓名,身份证号\n"), "union_id", fmt.Sprint(here)), http.StatusSeeOther)
	hand.want("no file", hand.upload("/console/rosters", "", "", nil), http.StatusUnprocessableEntity, "请选择填好的名册")
	hand.want("an empty file", send(hand, nil), http.StatusUnprocessableEntity, "文件是空的")
	if n := b.number(`SELECT count(*) FROM members WHERE roster_run IS NOT NULL`) + b.number(`SELECT count(*) FROM roster_runs WHERE state = 'uploading'`); n != 0 {
		t.Errorf("%d members or uploads were left", n)
	}

	hand.want("without a reason", hand.post(at+"/apply", "reason", " "), http.StatusUnprocessableEntity)
	hand.want("apply", hand.post(at+"/apply", "reason", "首次登记"), http.StatusSeeOther)
	hand.want("apply again", hand.post(at+"/apply", "reason", "首次登记"), http.StatusSeeOther)
	soon(t, time.Now(), 20*time.Second, "application", func() bool { return strings.Contains(hand.get(at).body, "去发卡批次") })
	hand.want("the result", hand.get(at), http.StatusOK, "导入 288 人", "首次登记", "下载问题名册")
	if n := b.number(`SELECT count(*) FROM members WHERE union_id = $1`, here); n != 288 {
		t.Errorf("%d members", n)
	}
	if to := hand.want("the same file", send(hand, file.Bytes()), http.StatusSeeOther).to(); to != at {
		t.Errorf("the same file leads to %s", to)
	}
	hand.want("discard what is applied", hand.post(at+"/discard"), http.StatusSeeOther)
	hand.want("still there", hand.get(at), http.StatusOK, "去发卡批次")
	if n := b.number(`SELECT count(*) FROM events WHERE action = 'roster.apply'`); n != 1 {
		t.Errorf("%d applications", n)
	}
}
