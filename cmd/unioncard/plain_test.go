package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"unioncard/card"
	"unioncard/card/member"
	"unioncard/card/personal"
	rostersample "unioncard/card/roster/sample"
	"unioncard/card/union"
	"unioncard/card/union/staff"
	"unioncard/migrations/pgtest"
)

// heard is what a node wrote to its log, every level of it.
type heard struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (h *heard) Write(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.buf.Write(b)
}

func (h *heard) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.buf.String()
}

// plainForms are the spellings in which a value could lie about: as it is, in hex
// (as dumps write bytea), in base64, and escaped for JSON and SQL.
func plainForms(value string) []string {
	quoted, _ := json.Marshal(value)
	out := []string{value, hex.EncodeToString([]byte(value)), strings.ToUpper(hex.EncodeToString([]byte(value))), strings.Trim(string(quoted), `"`)}
	// Base64 depends on where in a text the value begins.
	for shift := range 3 {
		coded := base64.StdEncoding.EncodeToString(append(make([]byte, shift), value...))
		whole := coded[(shift*8+5)/6 : len(coded)-4]
		out = append(out, whole, strings.NewReplacer("+", "-", "/", "_").Replace(whole))
	}
	if ascii := strings.Trim(fmt.Sprintf("%+q", value), `"`); ascii != value {
		out = append(out, ascii)
	}
	return out
}

// TestNoPlainPersonalData has a registrar, a manager and workers do everything that
// touches personal data, and then looks for it where it must not be: in a dump of
// the whole database (events are part of it), in the log at its most talkative, in
// the metrics, in what went to Redis, and in what lies there.
func TestNoPlainPersonalData(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	socket := pgtest.Redis(t)
	shared := redis.NewClient(&redis.Options{Addr: socket, Network: "unix"})
	t.Cleanup(func() { _ = shared.Close() })
	spoken := listenIn(t, socket)
	log := &heard{}
	p := newProvince(t)
	b := p.serveWith(t, "unix://"+socket, slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})))

	cards := card.NewStore(b.pool, card.StoreOptions{})
	works := func(name string) int64 {
		u, err := cards.CreateUnion(ctx, card.By{Actor: "test", Reason: "test"}, union.Union{Kind: union.Grassroots, Name: name, ParentID: b.unions[410105]})
		b.must(err)
		return u.ID
	}
	here, there := works("甲厂工会委员会"), works("乙厂工会委员会")
	county := b.hire("county", b.unions[410105], staff.Registrar, staff.CardManager)
	persons := b.handle(county, here, there)

	values := map[string]bool{}
	for _, p := range persons {
		values[p.ResidentID], values[p.Phone], values[p.Name] = true, true, true
	}
	metrics, err := http.Get("http://" + b.node.adminAt.Addr().String() + "/metrics")
	b.must(err)
	scraped, err := io.ReadAll(metrics.Body)
	b.must(err)
	b.must(metrics.Body.Close())
	places := map[string]string{
		"the dump": dumpOf(t, b), "the log": log.String(), "the metrics": string(scraped),
		"Redis": keptIn(t, shared), "what went to Redis": spoken(),
	}
	for place, text := range places {
		if len(text) < 100 {
			t.Errorf("%s holds %d bytes: nothing was looked at", place, len(text))
		}
		for value := range values {
			for _, form := range plainForms(value) {
				if at := strings.Index(text, form); at >= 0 {
					t.Errorf("%s holds a person's value as %q: …%.200s…", place, form, text[max(0, at-80):])
				}
			}
		}
	}
}

// handle does what offices and workers do with personal data, right and wrong, and
// returns whose.
func (b *bureau) handle(county *clerk, here, there int64) []personal.Person {
	b.Helper()
	ctx, by := b.Context(), card.By{Actor: "staff:1", Reason: "核对"}
	members := b.node.members
	persons := []personal.Person{
		{ResidentID: "110101199003072893", Phone: "13811112222", Name: "诸葛孔明甲"},
		{ResidentID: "11010519491231002X", Phone: "13933334444", Name: "司马仲达乙"},
		{ResidentID: "110101199003078030", Phone: "13755556666", Name: "欧阳永叔丙"},
	}
	last, err := personal.CompleteResidentID("11010119900307803")
	b.must(err)
	persons[2].ResidentID = string(last)
	var ids []int64
	for _, p := range persons[:2] {
		id, err := members.Register(ctx, by, here, p, 0)
		b.must(err)
		ids = append(ids, id)
	}
	for _, again := range persons[:2] { // taken, and said so
		if _, err := members.Register(ctx, by, there, again, 0); err == nil {
			b.Error("registered twice")
		} else {
			b.node.log.Info("refused", "error", err, "person", again)
		}
	}
	_, err = b.node.cards.Issue(ctx, by, ids[0], card.MonthOf(time.Now())+12)
	b.must(err)
	b.must(members.Edit(ctx, by, ids[1], 1, member.Change{Phone: &persons[2].Phone, Name: &persons[2].Name}))
	_, err = members.Reveal(ctx, by, ids[0])
	b.must(err)
	_, err = members.Export(ctx, by, ids[0])
	b.must(err)
	b.must(members.TransferNow(ctx, by, ids[1], there))
	for _, q := range []string{persons[0].ResidentID, persons[0].Phone, persons[2].ResidentID, persons[1].Phone, persons[0].ResidentID[:17], persons[0].Name} {
		county.post("/console/members/search", "q", q)
		county.get("/console/members?q=x")
	}
	show := fmt.Sprintf("/console/members/%d", ids[0])
	county.want("revealed", county.post(show+"/reveal", "reveal_reason", "核对身份"), http.StatusOK, persons[0].ResidentID)
	county.want("exported", county.post(show+"/export", "export_reason", "本人申请"), http.StatusOK, persons[0].Phone)
	county.want("another's phone", county.post(show+"/edit", "version", "2", "phone", persons[2].Phone, "reason", "改"), http.StatusUnprocessableEntity)
	for _, phone := range []string{persons[0].Phone, persons[1].Phone, persons[2].Phone + "9"} {
		for path, body := range map[string]string{"/m/api/code": `{"phone":%q}`, "/m/api/session": `{"phone":%q,"code":"000000"}`} {
			county.send(http.MethodPost, path, "application/json", strings.NewReader(fmt.Sprintf(body, phone)))
		}
	}
	return append(persons, b.roster(county, here)...)
}

// roster uploads a roster with faults, has it checked and applied, and returns
// whom it names.
func (b *bureau) roster(county *clerk, here int64) []personal.Person {
	b.Helper()
	const rows, seed = 60, 11
	var file bytes.Buffer
	_, err := rostersample.Write(&file, rostersample.Spec{Rows: rows, Faults: 6, Seed: seed})
	b.must(err)
	at := county.want("upload", county.upload("/console/rosters", "file", "会员.csv", file.Bytes(), "union_id", fmt.Sprint(here)), http.StatusSeeOther).to()
	said := func(what string) {
		soon(b, time.Now(), 30*time.Second, what, func() bool { return strings.Contains(county.get(at).body, what) })
	}
	said("检查完了")
	county.want("faults", county.post(at+"/faults", "format", "csv", "faults_reason", "自己改正"), http.StatusOK)
	county.want("apply", county.post(at+"/apply", "reason", "首次登记"), http.StatusSeeOther)
	said("去发卡批次")
	var out []personal.Person
	for n := range rows {
		p := rostersample.Person(seed, n)
		// Two characters are found by chance in texts; IDs, phones and longer names are not.
		if len([]rune(p.Name)) < 3 {
			p.Name = p.ResidentID
		}
		out = append(out, p)
	}
	return out
}

// dumpOf is the whole database as pg_dump writes it.
func dumpOf(t *testing.T, b *bureau) string {
	t.Helper()
	var out, said bytes.Buffer
	dump := exec.CommandContext(t.Context(), "pg_dump", "--dbname", b.pool.Config().ConnString())
	dump.Stdout, dump.Stderr = &out, &said
	if err := dump.Run(); err != nil {
		t.Fatalf("pg_dump: %v: %s", err, said.String())
	}
	if !strings.Contains(out.String(), "member.reveal") {
		t.Error("the dump holds no events")
	}
	return out.String()
}

// listenIn takes down every command that Redis gets, until the test ends. (The
// client library's own MONITOR loses its connection with some servers.)
func listenIn(t *testing.T, socket string) func() string {
	t.Helper()
	conn, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "MONITOR\r\n"); err != nil {
		t.Fatal(err)
	}
	var all heard
	var done sync.WaitGroup
	done.Go(func() { _, _ = io.Copy(&all, conn) })
	t.Cleanup(func() {
		_ = conn.Close()
		done.Wait()
	})
	return all.String
}

// keptIn is every key of Redis with its value, as Redis would dump it.
func keptIn(t *testing.T, client *redis.Client) string {
	t.Helper()
	var out strings.Builder
	out.WriteString(strings.Repeat("-", 100)) // there may be nothing at all
	keys := client.Scan(t.Context(), 0, "*", 1000).Iterator()
	for keys.Next(t.Context()) {
		value, err := client.Dump(t.Context(), keys.Val()).Result()
		if err != nil && err != redis.Nil { // it ran out meanwhile
			t.Fatal(err)
		}
		out.WriteString(keys.Val() + value)
	}
	if err := keys.Err(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}
