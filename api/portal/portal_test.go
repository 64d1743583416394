package portal_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"unioncard/card/union/staff"
)

// TestApplyRefused: a refused form keeps what was typed, says at each field what
// is wrong, and leaves nothing behind.
func TestApplyRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	tests := []struct {
		name, field, value, says string
	}{
		{"wrong check character", "code", "91410000170001401E", "校验位"},
		{"letter O", "code", "914100OO170001401D", "I、O、S、V、Z"},
		{"phone", "phone", "1380371", "电话不对"},
		{"forged trade", "trade", "gambling", "请选择行业"},
		{"the union's own windows", "trade", "union", "工会自己登记"},
		{"forged division", "outlet.0.territory", "110101", "请选择门店所在"},
		{"division that is no number", "outlet.0.territory", "1 OR 1=1", "请选择门店所在"},
		{"no consent", "consent", "", "个人信息"},
		{"position", "outlet.0.position", "34.75,113.66", "填反"},
	}
	for _, tt := range tests {
		form := filled("410105")
		form.Set(tt.field, tt.value)
		a := r.post("", "/apply", form)
		if a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, tt.says) || !strings.Contains(a.body, "郑州宇通餐饮有限公司") {
			t.Errorf("%s: %d, says %q: %v", tt.name, a.status, tt.says, strings.Contains(a.body, tt.says))
		}
	}
	if a := r.post("", "/apply", url.Values{"code": {"a\x00b"}}); a.status != http.StatusBadRequest {
		t.Errorf("NUL: %d", a.status)
	}
	if a := r.post("", "/apply", url.Values{"note": {strings.Repeat("长", 100<<10)}}); a.status != http.StatusRequestEntityTooLarge {
		t.Errorf("too large: %d", a.status)
	}
	if a := r.do("", "POST", "/apply", "application/x-www-form-urlencoded", strings.NewReader(filled("410105").Encode()),
		"Sec-Fetch-Site", "cross-site", "Origin", "https://elsewhere.example"); a.status != http.StatusForbidden {
		t.Errorf("another site's form: %d", a.status)
	}
	var n int
	r.must(r.pool.QueryRow(t.Context(), `SELECT count(*) FROM applications`).Scan(&n))
	if n != 0 {
		t.Errorf("%d applications of refused forms", n)
	}
}

// TestMoreOutletsWithoutScripts: the button adds a row and keeps what was typed.
func TestMoreOutletsWithoutScripts(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	form := filled("410105")
	form.Set("more", "1")
	a := r.post("", "/apply", form)
	if a.status != http.StatusOK || !strings.Contains(a.body, `name="outlet.1.name"`) || !strings.Contains(a.body, "花园路店") {
		t.Errorf("%d", a.status)
	}
}

// TestApplicantsWay: apply, upload, send, be returned, correct, send again.
func TestApplicantsWay(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	link := r.apply()
	a := r.get("", link)
	for _, want := range []string{"还差：营业执照、经营许可、门店照片", "138******01", "金水区总工会", `name="file_licence"`} {
		if !strings.Contains(a.body, want) {
			t.Errorf("the draft's page lacks %q", want)
		}
	}
	if strings.Contains(a.body, "13803710001") || a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("phone shown whole, or the page kept: %s", a.header.Get("Cache-Control"))
	}
	if a := r.post("", link+"/move", url.Values{"action": {"submit"}, "version": {"1"}}); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, "还差这些材料") {
		t.Errorf("sent without files: %d", a.status)
	}
	r.send(link)
	if a := r.post("", link+"/edit", filled("410103")); a.status != http.StatusSeeOther || a.location != link {
		t.Errorf("changed after sending: %d", a.status)
	}
	clerk := r.signIn(410105, staff.Negotiator)
	if a := r.post(clerk, "/console/applications/1/move", url.Values{"action": {"return"}, "version": {"2"},
		"reason": {"照片看不清"}, "fix": {"请重新拍门头"}}); a.status != http.StatusSeeOther {
		t.Fatalf("return: %d %s", a.status, a.body)
	}
	if a := r.get("", link); !strings.Contains(a.body, "照片看不清") || !strings.Contains(a.body, "请重新拍门头") {
		t.Error("the applicant does not read why")
	}
	form := filled("410105")
	form.Set("version", "3")
	form.Set("brand", "宇通")
	form.Del("phone") // left as it is
	if a := r.post("", link+"/edit", form); a.status != http.StatusSeeOther {
		t.Fatalf("correct: %d %s", a.status, a.body)
	}
	if a := r.post("", link+"/edit", form); a.status != http.StatusConflict || !strings.Contains(a.body, "在别处改过") {
		t.Errorf("an old version: %d", a.status)
	}
	if a := r.get(clerk, "/console/applications/1"); !strings.Contains(a.body, "13803710001") {
		t.Error("the clerk does not see the phone")
	}
	if a := r.post("", link+"/move", url.Values{"action": {"submit"}, "version": {"4"}}); a.status != http.StatusSeeOther {
		t.Errorf("send again: %d %s", a.status, a.body)
	}
}

// TestHostileUploads: refused at the field; nothing is stored.
func TestHostileUploads(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	link := r.apply()
	for name, data := range map[string][]byte{
		"a.svg": []byte(`<svg onload="alert(1)"/>`), "a.html": []byte("<script>alert(1)</script>"),
		"../../x.jpg": []byte("\xff\xd8\xff<script>alert(1)</script>"),
		"bomb.png":    []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR\x00\x00\xea\x60\x00\x00\xea\x60\x08\x06\x00\x00\x00\x00\x00\x00\x00"),
	} {
		a := r.upload("", link+"/files", "file_licence", name, data, "kind", "licence")
		if a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, `id="f-file_licence-error"`) {
			t.Errorf("%s: %d", name, a.status)
		}
	}
	for _, kind := range []string{"visit:1", "x", ""} {
		if a := r.upload("", link+"/files", "file_"+kind, "a.jpg", photo(t), "kind", kind); a.status != http.StatusNotFound {
			t.Errorf("kind %q: %d", kind, a.status)
		}
	}
	var n int
	r.must(r.pool.QueryRow(t.Context(), `SELECT count(*) FROM files`).Scan(&n))
	if n != 0 {
		t.Errorf("%d files", n)
	}
}

// TestForgedLinks: a wrong token, another's number, another's file.
func TestForgedLinks(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	link, other := r.apply(), r.apply()
	if a := r.upload("", other+"/files", "file_licence", "a.jpg", photo(t), "kind", "licence"); a.status != http.StatusSeeOther {
		t.Fatalf("upload: %d", a.status)
	}
	token := link[strings.LastIndexByte(link, '/')+1:]
	number := strings.Split(other, "/")[2]
	for _, path := range []string{"/apply/" + number + "/" + token, link + "x", "/apply/" + number + "/%00", "/apply/1/2"} {
		for _, tail := range []string{"", "/edit"} {
			if a := r.get("", path+tail); a.status != http.StatusNotFound {
				t.Errorf("%s: %d", path+tail, a.status)
			}
		}
		if a := r.post("", path+"/move", url.Values{"action": {"withdraw"}, "version": {"1"}}); a.status != http.StatusNotFound {
			t.Errorf("%s move: %d", path, a.status)
		}
	}
	if a := r.post("", link+"/files/1/remove", nil); a.status != http.StatusNotFound {
		t.Errorf("another's file: %d", a.status)
	}
	for _, action := range []string{"accept", "take", "reject", ""} {
		if a := r.post("", link+"/move", url.Values{"action": {action}, "version": {"1"}}); a.status != http.StatusNotFound {
			t.Errorf("%s: %d", action, a.status)
		}
	}
}

// TestDuplicateStaysSecret: the public page is the same whether the company is
// known or not.
func TestDuplicateStaysSecret(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	first := r.apply()
	r.send(first)
	second := r.apply()
	r.send(second)
	a := r.get("", second)
	if a.status != http.StatusOK || strings.Contains(a.body, strings.Split(first, "/")[2]) || strings.Contains(a.body, "重复") {
		t.Errorf("the public learns of another application: %d", a.status)
	}
	clerk := r.signIn(410105, staff.Negotiator)
	if a := r.get(clerk, "/console/applications/2"); !strings.Contains(a.body, "可能重复") {
		t.Error("the clerk is not told")
	}
}

// TestSendingIsBounded: an address that sends too much is asked to wait.
func TestSendingIsBounded(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for i := range 31 {
		a := r.post("", "/apply", filled("410105"))
		if want := http.StatusSeeOther; i < 30 && a.status != want {
			t.Fatalf("%d: %d", i, a.status)
		}
		if i == 30 && (a.status != http.StatusTooManyRequests || a.header.Get("Retry-After") == "") {
			t.Errorf("the 31st: %d", a.status)
		}
	}
}
