package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"unioncard/card/roster"
	rostersample "unioncard/card/roster/sample"
	"unioncard/card/union/staff"
)

// The roster of the hand's test.
const (
	handRows, handFaults = 20_000, 300
	handSeed             = 4
	// handWorker is the person who signs in, by number of the sample: the fourth whose
	// row is faulty.
	handWorker = 4*handRows/handFaults - 1
)

// TestHand is the way from a roster to a discount, in real browsers
// (web/test/hand.mjs tells it step by step): a grassroots registrar uploads 20,000
// rows with 300 faults, sees every one of them, corrects them and applies; a card
// manager has the cards made; a worker signs in on a phone, loses the network and
// shows a code; a cashier's camera reads it from the phone's screen, and both are
// told of the discount.
func TestHand(t *testing.T) {
	t.Parallel()
	p := newPhoneSite(t)
	var county int64
	if err := p.pool.QueryRow(t.Context(), `SELECT parent_id FROM unions WHERE id = $1`, p.union).Scan(&county); err != nil {
		t.Fatal(err)
	}
	p.account(t, "registrar", p.union, staff.Registrar)
	p.account(t, "cardmanager", county, staff.CardManager)
	p.account(t, "terminals", p.site.union, staff.TerminalManager)

	dir := t.TempDir()
	h := &hand{phoneSite: p, roster: filepath.Join(dir, "职工名册.csv")}
	if err := h.write(); err != nil {
		t.Fatal(err)
	}
	outside := httptest.NewServer(h)
	t.Cleanup(outside.Close)
	worker := rostersample.Person(handSeed, handWorker)
	var did struct {
		Steps  []struct{ Name, Took string }
		Faults []struct{ Page, Fault string }
	}
	browse(t, "hand.mjs", map[string]any{
		"base": p.base, "outside": outside.URL, "shots": os.Getenv("SHOTS"), "password": sitePassword, "dir": dir,
		"registrar": "registrar", "cardmanager": "cardmanager", "terminals": "terminals", "outlet": p.outlet,
		"roster": h.roster, "rows": handRows, "planted": h.planted,
		"phone": worker.Phone, "name": worker.Name,
	}, &did)
	for _, step := range did.Steps {
		t.Logf("%s: %s", step.Name, step.Took)
	}
	for _, f := range did.Faults {
		t.Errorf("%s: %s", f.Page, f.Fault)
	}
	h.holds(t)
	p.auditHolds(t)
}

// hand is what happens outside the browsers: messages, another till of the shop, and
// the clerk's spreadsheet program. The script asks for it over HTTP.
type hand struct {
	*phoneSite
	roster  string // file
	planted []planted
}

// planted is a fault as the registrar must see it.
type planted struct {
	Row     int    `json:"row"`
	Message string `json:"message"`
	Fix     string `json:"fix"`
}

// write makes the roster's file.
func (h *hand) write() error {
	var file bytes.Buffer
	faults, err := rostersample.Write(&file, rostersample.Spec{Rows: handRows, Faults: handFaults, Seed: handSeed})
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(faults, func(f rostersample.Planted) bool { return f.Row == handWorker+2 }) {
		return fmt.Errorf("the worker's row %d has no fault", handWorker+2)
	}
	for _, f := range faults {
		message, fix := faultWords(f.Code, f.Row-1)
		h.planted = append(h.planted, planted{f.Row, message, fix})
	}
	return os.WriteFile(h.roster, file.Bytes(), 0o600)
}

// faultWords are words of what a registrar must read about a fault and what to do:
// by hand, so that a sentence that went missing is noticed. before is the row above.
func faultWords(code string, before int) (message, fix string) {
	words := map[string][2]string{
		"id_check":       {"身份证号的校验位不对", "逐位核对"},
		"id_date":        {"不是真实的出生日期", "核对出生日期"},
		"id_spreadsheet": {"科学计数", "设为“文本”格式"},
		"id_length":      {"身份证号应为18位，这里是17位", "完整的身份证号"},
		"id_region":      {"前6位不是我国的行政区划", "核对前6位"},
		"id_15":          {"15位的旧身份证号", "18位身份证号"},
		"id_minor":       {"不满16周岁", "核对出生日期"},
		"twice":          {fmt.Sprintf("与第 %d 行是同一个人", before), "只留一行"},
		"phone_twice":    {fmt.Sprintf("手机号与第 %d 行相同", before), "请核对"},
		"phone_length":   {"手机号应为11位，这里是10位", "完整的手机号"},
		"phone_landline": {"固定电话", "本人的11位手机号"},
		"phone_chars":    {"手机号中有不该有的字符", "只填一个11位手机号"},
		"name_empty":     {"没有填姓名", "与身份证一致的姓名"},
		"name_masked":    {"姓名不完整", "完整姓名"},
	}
	w := words[code]
	return w[0], w[1]
}

func (h *hand) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		File  string   `json:"file"`
		Codes []string `json:"codes"`
		Phone string   `json:"phone"`
	}
	answer := map[string]any{}
	err := json.NewDecoder(r.Body).Decode(&asked)
	if err == nil {
		switch r.URL.Path {
		case "/sms":
			answer["code"], err = h.read(r.Context(), asked.Phone)
		case "/correct":
			answer["file"], err = h.correct(asked.File)
		case "/verify":
			answer["problems"], err = h.verify(r.Context(), asked.Codes)
		default:
			err = errors.New("nothing of that name")
		}
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_ = json.NewEncoder(w).Encode(answer) // the script sees what is missing
}

// correct does with a file of faulty rows what its last column says, in a
// spreadsheet: the rows keep their places, the values become the right ones.
func (h *hand) correct(file string) (string, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	table, err := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(raw, []byte("\ufeff")))).ReadAll()
	if err != nil {
		return "", err
	}
	column := func(name string) int { return slices.Index(table[0], name) }
	number, id, phone, name := column("序号"), column("身份证号"), column("手机号"), column("姓名")
	if min(number, id, phone, name, column(roster.ColumnProblem), column(roster.ColumnFix)) < 0 {
		return "", fmt.Errorf("the file of faults has the columns %q", table[0])
	}
	for _, row := range table[1:] {
		n, err := strconv.Atoi(strings.Trim(row[number], `="`))
		if err != nil {
			return "", err
		}
		p := rostersample.Person(handSeed, n-1)
		row[id], row[phone], row[name] = p.ResidentID, p.Phone, p.Name
	}
	var out bytes.Buffer
	if err := csv.NewWriter(&out).WriteAll(table); err != nil {
		return "", err
	}
	corrected := filepath.Join(filepath.Dir(h.roster), "改好的名册.csv")
	return corrected, os.WriteFile(corrected, out.Bytes(), 0o600)
}

// verify shows printed codes at a till of the shop, and counts the answers by their
// problem, "" for a good one.
func (h *hand) verify(ctx context.Context, codes []string) (map[string]int, error) {
	problems := map[string]int{}
	for part := range slices.Chunk(codes, 1000) {
		var batch []map[string]any
		for _, code := range part {
			batch = append(batch, map[string]any{"code": code})
		}
		answer, err := h.shop.ask(ctx, "/v1/verifications/batch", map[string]any{"verifications": batch})
		if err != nil || answer["problem"] != "" {
			return nil, errors.Join(err, fmt.Errorf("a batch of codes: %v", answer))
		}
		results, _ := answer["results"].([]any)
		if len(results) != len(part) {
			return nil, fmt.Errorf("%d answers to %d codes", len(results), len(part))
		}
		for _, r := range results {
			one, _ := r.(map[string]any)
			problem, _ := one["problem"].(map[string]any)
			code, _ := problem["code"].(string)
			problems[code]++
		}
	}
	return problems, nil
}

// holds looks at what is left: every person of the roster is a member once, with one
// card, and the purchase is the worker's.
func (h *hand) holds(t *testing.T) {
	t.Helper()
	var members, cards, staged, purchases int
	err := h.pool.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM members WHERE union_id = $1 AND status = 1 AND id_hash IS NOT NULL),
		(SELECT count(*) FROM live_cards l JOIN members m ON m.id = l.member_id WHERE m.union_id = $1),
		(SELECT count(*) FROM roster_runs WHERE state <> 'applied'),
		(SELECT count(*) FROM purchases WHERE discount_fen = 880)`, h.union).Scan(&members, &cards, &staged, &purchases)
	if err != nil || members != handRows || cards != handRows || staged != 0 || purchases != 1 {
		t.Errorf("%d members, %d cards, %d rosters not applied, %d purchases, %v", members, cards, staged, purchases, err)
	}
	worker, err := h.node.members.ByPhone(t.Context(), rostersample.Person(handSeed, handWorker).Phone)
	if err != nil {
		t.Fatal(err)
	}
	var theirs bool
	err = h.pool.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM purchases p JOIN cards c ON c.serial = p.card_serial
		WHERE c.member_id = $1 AND p.discount_fen = 880)`, worker.ID).Scan(&theirs)
	if err != nil || !theirs {
		t.Errorf("the purchase is somebody else's, %v", err)
	}
}
