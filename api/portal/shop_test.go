package portal_test

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"unioncard/card/union/staff"
	"unioncard/merchant"
	"unioncard/merchant/account"
	"unioncard/merchant/draft"
	"unioncard/merchant/file"
	"unioncard/merchant/signing"
	"unioncard/merchant/terms"
)

// TestForgedIDs: what is another merchant's, or another shop's, reads as absent.
func TestForgedIDs(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	mine, shops := r.shop("甲店", 2)
	theirs, theirShops := r.shop("乙店", 1)
	owner, manager := r.user(mine, account.Owner), r.user(mine, account.Manager, shops[0])
	_, theirUser := r.userID(theirs, account.Owner)
	terminals := map[int64]int64{}
	for _, shop := range []int64{shops[1], theirShops[0]} {
		var id int64
		r.must(r.pool.QueryRow(t.Context(), `INSERT INTO terminals (merchant_id, outlet_id, kind, client_id, public_key)
			SELECT merchant_id, id, 'terminal', 'c' || id, decode(repeat('ab', 32), 'hex') FROM outlets WHERE id = $1 RETURNING id`, shop).Scan(&id))
		terminals[shop] = id
	}
	contract := r.contract(theirs, 0)
	whole, own := r.contract(mine, 0), r.contract(mine, shops[1])
	for _, path := range []string{fmt.Sprintf("/portal/outlets/%d", theirShops[0]), fmt.Sprintf("/portal/contracts/%d", contract),
		fmt.Sprintf("/portal/contracts/%d/print", contract), fmt.Sprintf("/portal/users/%d/edit", theirUser), "/portal/outlets/999999", "/portal/outlets/x", "/portal/files/1"} {
		if a := r.get(owner, path); a.status != http.StatusNotFound {
			t.Errorf("GET %s of an owner: %d", path, a.status)
		}
	}
	for _, path := range []string{fmt.Sprintf("/portal/outlets/%d/edit", theirShops[0]), fmt.Sprintf("/portal/outlets/%d/ask", theirShops[0]),
		fmt.Sprintf("/portal/outlets/%d/withdraw", theirShops[0]), fmt.Sprintf("/portal/terminals/%d/suspend", terminals[theirShops[0]]),
		fmt.Sprintf("/portal/users/%d/edit", theirUser), fmt.Sprintf("/portal/users/%d/disable", theirUser), fmt.Sprintf("/portal/users/%d/reset", theirUser)} {
		if a := r.post(owner, path, url.Values{"version": {"1"}, "refunds": {"none"}}); a.status != http.StatusNotFound {
			t.Errorf("POST %s of an owner: %d", path, a.status)
		}
	}
	for path, want := range map[string]int{fmt.Sprintf("/portal/outlets/%d", shops[0]): 200, fmt.Sprintf("/portal/outlets/%d", shops[1]): 404,
		fmt.Sprintf("/portal/contracts/%d", whole): 200, fmt.Sprintf("/portal/contracts/%d", own): 404} {
		if a := r.get(manager, path); a.status != want {
			t.Errorf("GET %s of a manager: %d, want %d", path, a.status, want)
		}
	}
	if a := r.post(manager, fmt.Sprintf("/portal/outlets/%d/edit", shops[1]), url.Values{"version": {"1"}, "refunds": {"none"}}); a.status != http.StatusNotFound {
		t.Errorf("a manager changes another shop: %d", a.status)
	}
	if a := r.post(manager, fmt.Sprintf("/portal/terminals/%d/suspend", terminals[shops[1]]), nil); a.status != http.StatusNotFound {
		t.Errorf("a manager suspends another shop's terminal: %d", a.status)
	}
	for _, outlet := range []string{itoa(shops[1]), itoa(theirShops[0]), "server", "x", ""} {
		if a := r.post(manager, "/portal/terminals", url.Values{"outlet": {outlet}}); a.status != http.StatusUnprocessableEntity {
			t.Errorf("a manager's code for %q: %d", outlet, a.status)
		}
	}
	for _, path := range []string{"/portal/outlets", "/portal/terminals", "/portal/contract", "/portal", "/portal/terminals?outlet=" + itoa(shops[1])} {
		if a := r.get(manager, path); a.status != 200 || strings.Contains(a.body, "乙店") || strings.Contains(a.body, "甲店2店") {
			t.Errorf("%s shows a manager what is not theirs: %d", path, a.status)
		}
	}
	if a := r.post(owner, fmt.Sprintf("/portal/terminals/%d/suspend", terminals[shops[1]]), nil); a.status != http.StatusSeeOther {
		t.Errorf("an owner suspends a lost terminal: %d", a.status)
	}
	for _, outlet := range []string{itoa(shops[0]), "server"} {
		if a := r.post(owner, "/portal/terminals", url.Values{"outlet": {outlet}}); a.status != 200 || !strings.Contains(a.body, "只显示这一次") {
			t.Errorf("an owner's code for %q: %d", outlet, a.status)
		}
	}
}

// contract is a draft contract of a merchant; outlet 0: of all its shops.
func (r *rig) contract(merchantID, outlet int64) int64 {
	r.t.Helper()
	id, err := merchant.NewStore(r.pool, time.Now).CreateContract(r.t.Context(), by, merchant.NewContract{MerchantID: merchantID, OutletID: outlet,
		OfficeID: r.unions[410105], ValidFrom: r.now().AddDate(0, 0, -1), ValidUntil: r.now().AddDate(1, 0, 0), RefundTail: 30 * 24 * time.Hour})
	r.must(err)
	return id
}

// TestShopPage: what a merchant changes by itself, and what its office decides.
func TestShopPage(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	m, shops := r.shop("老王烩面", 1)
	manager := r.user(m, account.Manager, shops[0])
	path := fmt.Sprintf("/portal/outlets/%d", shops[0])
	edit := url.Values{"version": {"1"}, "hours": {"每天 10:00—21:30"}, "phone": {"0371-65551234"}, "refunds": {"void"}}
	if a := r.post(manager, path+"/edit", edit); a.status != http.StatusSeeOther {
		t.Fatalf("edit: %d %s", a.status, a.body)
	}
	edit.Set("hours", "全天")
	if a := r.post(manager, path+"/edit", edit); a.status != http.StatusConflict || !strings.Contains(a.body, "10:00—21:30") || !strings.Contains(a.body, `value="全天"`) {
		t.Errorf("an old form: %d", a.status)
	}
	for field, value := range map[string]string{"refunds": "some", "phone": "打老王手机", "hours": strings.Repeat("长", 101)} {
		bad := url.Values{"version": {"2"}, "hours": {"全天"}, "phone": {""}, "refunds": {"all"}}
		bad.Set(field, value)
		if a := r.post(manager, path+"/edit", bad); a.status != http.StatusUnprocessableEntity {
			t.Errorf("%s %q: %d", field, value, a.status)
		}
	}
	var refunds string
	r.must(r.pool.QueryRow(t.Context(), `SELECT refunds FROM outlets WHERE id = $1`, shops[0]).Scan(&refunds))
	if refunds != "void" {
		t.Errorf("refunds %q", refunds)
	}

	ask := url.Values{"name": {"老王烩面总店"}, "address": {"花园路2号"}, "position": {"113.68, 34.79"}, "reason": {"搬到隔壁"}}
	for _, position := range []string{"34.79,113.68", "113", "NaN,NaN", "1e400,34", "a,b"} {
		bad := url.Values{"name": ask["name"], "address": ask["address"], "position": {position}, "reason": ask["reason"]}
		if a := r.post(manager, path+"/ask", bad); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, "老王烩面总店") {
			t.Errorf("position %q: %d", position, a.status)
		}
	}
	if a := r.post(manager, path+"/ask", ask); a.status != http.StatusSeeOther {
		t.Fatalf("ask: %d %s", a.status, a.body)
	}
	if a := r.post(manager, path+"/ask", ask); a.status != http.StatusConflict {
		t.Errorf("ask twice: %d", a.status)
	}
	clerk, sibling, auditor := r.signIn(410105, staff.Negotiator), r.signIn(410103, staff.Negotiator), r.signIn(410105, staff.Auditor)
	if a := r.get(clerk, "/console/outlets/requests"); !strings.Contains(a.body, "花园路2号") {
		t.Errorf("the office's list: %d", a.status)
	}
	if a := r.get(sibling, "/console/outlets/requests"); a.status != 200 || strings.Contains(a.body, "花园路2号") {
		t.Errorf("a sibling's list: %d", a.status)
	}
	office := fmt.Sprintf("/console/outlets/%d", shops[0])
	shown := r.get(clerk, office)
	// The merchant takes the request back and asks for something else meanwhile.
	if a := r.post(manager, path+"/withdraw", nil); a.status != http.StatusSeeOther {
		t.Fatalf("withdraw: %d", a.status)
	}
	if a := r.post(manager, path+"/ask", ask); a.status != http.StatusSeeOther {
		t.Fatalf("ask again: %d", a.status)
	}
	seen := func(a answer) url.Values {
		_, rest, _ := strings.Cut(a.body, `name="request" value="`)
		id, _, _ := strings.Cut(rest, `"`)
		return url.Values{"answer_is": {"accept"}, "request": {id}}
	}
	for _, form := range []url.Values{seen(shown), {"answer_is": {"accept"}}} {
		if a := r.post(clerk, office+"/request", form); a.status != http.StatusSeeOther {
			t.Errorf("an answer to what was taken back: %d", a.status)
		}
		var address string
		r.must(r.pool.QueryRow(t.Context(), `SELECT address FROM outlets WHERE id = $1`, shops[0]).Scan(&address))
		if address == "花园路2号" {
			t.Error("a request was accepted that nobody had looked at")
		}
	}
	yes := seen(r.get(clerk, office))
	for session, want := range map[string]int{sibling: 404, auditor: 403} {
		if a := r.post(session, office+"/request", yes); a.status != want {
			t.Errorf("an answer: %d, want %d", a.status, want)
		}
	}
	if a := r.post(clerk, office+"/request", url.Values{"answer_is": {"decline"}, "request": yes["request"]}); a.status != http.StatusUnprocessableEntity {
		t.Errorf("a refusal without a reason: %d", a.status)
	}
	if a := r.get(clerk, office); !strings.Contains(a.body, "商家申请变更") {
		t.Errorf("the outlet's page: %d", a.status)
	}
	if a := r.post(clerk, office+"/request", yes); a.status != http.StatusSeeOther {
		t.Fatalf("accept: %d %s", a.status, a.body)
	}
	a := r.get(manager, path)
	if !strings.Contains(a.body, "老王烩面总店") || !strings.Contains(a.body, "花园路2号") || !strings.Contains(a.body, "113.680000,34.790000") {
		t.Errorf("the shop afterwards: %s", a.body)
	}
	if a := r.get(manager, "/portal/notices"); !strings.Contains(a.body, "已同意") {
		t.Errorf("no notice: %s", a.body)
	}
	var versions, fed int64
	r.must(r.pool.QueryRow(t.Context(), `SELECT version, (SELECT max(version) FROM changes WHERE object_id = o.id AND kind = (SELECT kind FROM changes
		WHERE object_id = o.id ORDER BY version DESC LIMIT 1)) FROM outlets o WHERE id = $1`, shops[0]).Scan(&versions, &fed))
	if versions != 3 || fed != 3 {
		t.Errorf("version %d, told %d", versions, fed)
	}
}

// TestSuspended: the owner of a suspended merchant still takes away who has left and a
// terminal that was lost, and gives nobody access.
func TestSuspended(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	m, shops := r.shop("甲店", 1)
	owner := r.user(m, account.Owner)
	token, id := r.userID(m, account.Finance)
	var terminal int64
	r.must(r.pool.QueryRow(t.Context(), `INSERT INTO terminals (merchant_id, outlet_id, kind, client_id, public_key)
		VALUES ($1, $2, 'terminal', 'c1', decode(repeat('ab', 32), 'hex')) RETURNING id`, m, shops[0]).Scan(&terminal))
	_, err := r.pool.Exec(t.Context(), `UPDATE merchants SET status = 'suspended' WHERE id = $1`, m)
	r.must(err)
	if a := r.get(owner, "/portal/users"); !strings.Contains(a.body, "/disable") || strings.Contains(a.body, "/reset") || strings.Contains(a.body, "/edit") {
		t.Error("the page offers something else than to take somebody away")
	}
	if a := r.get(owner, "/portal/terminals"); !strings.Contains(a.body, "/suspend") {
		t.Error("the page does not let a lost terminal be suspended")
	}
	if a := r.post(owner, fmt.Sprintf("/portal/users/%d/disable", id), url.Values{"version": {"999"}}); a.status != http.StatusConflict {
		t.Errorf("at another version: %d", a.status)
	}
	var version int64
	r.must(r.pool.QueryRow(t.Context(), `SELECT version FROM merchant_users WHERE id = $1`, id).Scan(&version))
	if a := r.post(owner, fmt.Sprintf("/portal/users/%d/disable", id), url.Values{"version": {itoa(version)}}); a.status != http.StatusSeeOther {
		t.Errorf("take somebody away: %d", a.status)
	}
	if a := r.get(token, "/portal"); a.status != http.StatusSeeOther {
		t.Errorf("who was taken away: %d", a.status)
	}
	if a := r.post(owner, fmt.Sprintf("/portal/terminals/%d/suspend", terminal), nil); a.status != http.StatusSeeOther {
		t.Errorf("suspend a lost terminal: %d", a.status)
	}
	var status string
	r.must(r.pool.QueryRow(t.Context(), `SELECT status FROM terminals WHERE id = $1`, terminal).Scan(&status))
	if status != "suspended" {
		t.Errorf("the terminal is %s", status)
	}
	if a := r.post(owner, "/portal/terminals", url.Values{"outlet": {itoa(shops[0])}}); a.status != http.StatusForbidden {
		t.Errorf("another terminal: %d", a.status)
	}
}

// TestPeoplePage: the owner adds, changes and takes people away; refused forms keep
// what was typed.
func TestPeoplePage(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	m, shops := r.shop("老王烩面", 2)
	owner, self := r.userID(m, account.Owner)
	form := url.Values{"name": {"李店长"}, "phone": {"13800000001"}, "roles": {"manager"}, "outlets": {itoa(shops[1])}}
	for field, value := range map[string]string{"phone": "138", "name": "", "roles": "boss", "outlets": "999999"} {
		bad := url.Values{}
		for k, v := range form {
			bad[k] = v
		}
		bad.Set(field, value)
		if a := r.post(owner, "/portal/users", bad); a.status != http.StatusUnprocessableEntity || field != "name" && !strings.Contains(a.body, "李店长") {
			t.Errorf("%s %q: %d", field, value, a.status)
		}
	}
	if a := r.post(owner, "/portal/users", form); a.status != http.StatusSeeOther {
		t.Fatalf("add: %d %s", a.status, a.body)
	}
	list := r.get(owner, "/portal/users")
	if !strings.Contains(list.body, "李店长") || strings.Contains(list.body, "13800000001") || !strings.Contains(list.body, "138****0001") || !strings.Contains(list.body, "老王烩面2店") {
		t.Errorf("the list: %s", list.body)
	}
	var id int64
	r.must(r.pool.QueryRow(t.Context(), `SELECT id FROM merchant_users WHERE name = '李店长'`).Scan(&id))
	edit := url.Values{"name": {"李经理"}, "roles": {"finance"}, "version": {"1"}}
	path := fmt.Sprintf("/portal/users/%d", id)
	if a := r.post(owner, path+"/edit", edit); a.status != http.StatusSeeOther {
		t.Errorf("edit: %d", a.status)
	}
	edit.Set("name", "李总")
	if a := r.post(owner, path+"/edit", edit); a.status != http.StatusConflict || !strings.Contains(a.body, "李经理") || !strings.Contains(a.body, `value="李总"`) {
		t.Errorf("an old form: %d", a.status)
	}
	if a := r.post(owner, fmt.Sprintf("/portal/users/%d/disable", self), url.Values{"version": {"1"}}); a.status != http.StatusConflict || !strings.Contains(a.body, "最后一位老板") {
		t.Errorf("the last owner: %d", a.status)
	}
	if a := r.post(owner, path+"/disable", url.Values{"version": {"1"}}); a.status != http.StatusConflict {
		t.Errorf("disable by an old page: %d", a.status)
	}
	if a := r.post(owner, path+"/disable", url.Values{"version": {"2"}}); a.status != http.StatusSeeOther {
		t.Errorf("disable: %d", a.status)
	}
	clerk := r.signIn(410105, staff.Negotiator)
	office := fmt.Sprintf("/console/merchants/%d/users", m)
	if a := r.post(clerk, office, url.Values{"name": {"新老板"}, "phone": {"13800000002"}}); a.status != http.StatusSeeOther {
		t.Errorf("the office adds an owner: %d %s", a.status, a.body)
	}
	if a := r.post(clerk, office, url.Values{"name": {"新老板"}, "phone": {"13800000002"}}); a.status != http.StatusUnprocessableEntity {
		t.Errorf("the office adds the owner again: %d", a.status)
	}
	if a := r.post(clerk, fmt.Sprintf("%s/%d/disable", office, self), url.Values{"version": {"1"}}); a.status != http.StatusUnprocessableEntity {
		t.Errorf("without a reason: %d", a.status)
	}
	if a := r.post(clerk, fmt.Sprintf("%s/%d/disable", office, self), url.Values{"version": {"1"}, "reason": {"已离职"}}); a.status != http.StatusSeeOther {
		t.Errorf("the office disables an owner: %d %s", a.status, a.body)
	}
	if a := r.get(owner, "/portal"); a.status != http.StatusSeeOther {
		t.Errorf("still signed in: %d", a.status)
	}
}

var codeOf = regexp.MustCompile(`核验码 <span class="sum">([0-9a-f]{64})`)

// TestStamping: the agreement that was approved is printed, stamped and sent in; a
// paper of other Terms is not taken.
func TestStamping(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ctx := t.Context()
	m, _ := r.shop("老王烩面", 1)
	owner := r.user(m, account.Owner)
	finance := r.user(m, account.Finance)
	id := r.contract(m, 0)
	page := fmt.Sprintf("/portal/contracts/%d", id)
	if a := r.get(owner, page); a.status != 200 || !strings.Contains(a.body, "正在起草、审批") {
		t.Errorf("a draft: %d", a.status)
	}
	if a := r.get(owner, page+"/print"); a.status != http.StatusConflict {
		t.Errorf("printing a draft: %d", a.status)
	}
	files, err := file.New(file.Options{DB: r.pool, Dir: t.TempDir(), Clock: time.Now})
	r.must(err)
	proposals := signing.New(r.pool, signing.Options{Clock: r.now, Kinds: signing.Kinds(r.now)})
	contracts := signing.NewContracts(r.pool, r.now, proposals, files)
	_, err = draft.NewStore(r.pool, r.now).Save(ctx, by, draft.ContractObject(id), &terms.Terms{V: terms.Version, Offers: []terms.Offer{{ID: "off", Title: "会员九折",
		FundingBP: 10000, Benefit: terms.Benefit{Kind: terms.KindPercent, RateBP: 9000}}}}, 0)
	r.must(err)
	person := func(login string, role staff.Role) *staff.Account {
		a := &staff.Account{Login: login, Name: "王小明", UnionID: r.unions[410105], Roles: []staff.Role{role}}
		r.must(r.pool.QueryRow(ctx, `INSERT INTO staff (login, name, union_id, roles, password, password_at, created_at)
			VALUES ($1, $2, $3, $4, 'x', now(), now()) RETURNING id`, a.Login, a.Name, a.UnionID, a.Roles).Scan(&a.ID))
		r.must(r.pool.QueryRow(ctx, `SELECT path FROM unions WHERE id = $1`, a.UnionID).Scan(&a.Path))
		return a
	}
	proposal, err := contracts.ProposeTerms(ctx, person("maker", staff.Negotiator), id, time.Time{}, "谈好了")
	r.must(err)
	r.must(proposals.Decide(ctx, person("checker", staff.Approver), proposal, true, "同意"))

	if a := r.get(owner, "/portal"); !strings.Contains(a.body, "等您盖章") {
		t.Errorf("home says nothing: %s", a.body)
	}
	print := r.get(owner, page+"/print")
	found := codeOf.FindStringSubmatch(print.body)
	if print.status != 200 || found == nil || !strings.Contains(print.body, "会员九折") && !strings.Contains(print.body, "9 折") && !strings.Contains(print.body, "9折") {
		t.Fatalf("the paper: %d %s", print.status, print.body)
	}
	code := found[1][len(found[1])-8:]
	if a := r.upload(owner, page+"/sign", "scan", "a.jpg", photo(t), "code", "00000000"); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, "与批准的协议不符") {
		t.Errorf("another paper: %d", a.status)
	}
	if a := r.upload(owner, page+"/sign", "scan", "a.jpg", nil, "code", code); a.status != http.StatusUnprocessableEntity {
		t.Errorf("no scan: %d", a.status)
	}
	if a := r.upload(owner, page+"/sign", "scan", "a.exe", []byte("MZ\x90"), "code", code); a.status != http.StatusUnprocessableEntity {
		t.Errorf("a program: %d", a.status)
	}
	if a := r.upload(finance, page+"/sign", "scan", "a.jpg", photo(t), "code", code); a.status != http.StatusForbidden {
		t.Errorf("finance stamps: %d", a.status)
	}
	if a := r.upload(owner, page+"/sign", "scan", "a.jpg", photo(t), "code", " "+strings.ToUpper(code)); a.status != http.StatusSeeOther {
		t.Fatalf("stamp: %d %s", a.status, a.body)
	}
	if a := r.get(owner, page); !strings.Contains(a.body, "您的盖章件已传回") || !strings.Contains(a.body, "/portal/files/1") {
		t.Errorf("afterwards: %s", a.body)
	}
	if a := r.get(owner, "/portal/files/1"); a.status != 200 || !strings.HasPrefix(a.header.Get("Content-Disposition"), "attachment") {
		t.Errorf("the scan: %d", a.status)
	}
	other, _ := r.shop("别家", 1)
	if a := r.get(r.user(other, account.Owner), "/portal/files/1"); a.status != http.StatusNotFound {
		t.Errorf("another merchant reads it: %d", a.status)
	}
	if a := r.upload(owner, "/portal/application/files", "file", "执照.jpg", photo(t), "kind", "licence"); a.status != http.StatusSeeOther {
		t.Errorf("a document: %d %s", a.status, a.body)
	}
	if a := r.upload(owner, "/portal/application/files", "file", "执照.jpg", photo(t), "kind", "visit:1"); a.status != http.StatusUnprocessableEntity {
		t.Errorf("a forged kind: %d", a.status)
	}
	if a := r.get(owner, "/portal/application"); a.status != 200 || !strings.Contains(a.body, "/portal/files/2") {
		t.Errorf("the documents: %d", a.status)
	}
}
