package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"log/slog"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/go-cmp/cmp"

	"unioncard/api/exchange"
	"unioncard/api/strictjson"
	"unioncard/card"
	"unioncard/merchant"
	"unioncard/merchant/terms"
	"unioncard/settlement/purchase"
)

// domains are the folders whose exported errors need an answer.
var domains = []string{"card", "merchant", "settlement", "api/exchange", "api/terminal", "api/strictjson"}

// neverAtATill are exported errors without a row, each with its reason.
var neverAtATill = map[string]string{
	"terms.ErrCurve":              "the editor draws a shorter curve instead",
	"terms.ErrInvalid":            "a Terms document is published by an office, not by a till",
	"merchant.ErrBelowFloor":      "publishing Terms is an office's work",
	"staff.ErrNoSession":          "the console sends to the sign-in page",
	"account.ErrNoSession":        "the portal sends to the sign-in page",
	"merchant.ErrAssertionReused": "the token endpoint answers it itself, as RFC 6749's invalid_client",
}

// TestEveryErrorHasARow finds every exported Err… variable of the domain
// packages in their source.
func TestEveryErrorHasARow(t *testing.T) {
	t.Parallel()
	named := rowsByName(t)
	found := map[string]bool{}
	for _, dir := range domains {
		err := filepath.WalkDir(filepath.Join("..", dir), func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			for _, name := range exportedErrors(t, path) {
				found[name] = true
				_, excused := neverAtATill[name]
				if has := named[name]; has == excused {
					t.Errorf("%s in %s: has a row: %v, is excused: %v; one of the two must hold", name, path, has, excused)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for name := range neverAtATill {
		if !found[name] {
			t.Errorf("%s is excused but does not exist", name)
		}
	}
	if len(found) < 50 {
		t.Errorf("found only %d errors; the search is broken", len(found))
	}
}

// exportedErrors lists the exported Err… variables of a file as package.Name.
func exportedErrors(t *testing.T, path string) (names []string) {
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	for _, decl := range file.Decls {
		gen, ok := decl.(*ast.GenDecl)
		if !ok || gen.Tok != token.VAR {
			continue
		}
		for _, spec := range gen.Specs {
			for _, id := range spec.(*ast.ValueSpec).Names {
				if id.IsExported() && strings.HasPrefix(id.Name, "Err") {
					names = append(names, file.Name.Name+"."+id.Name)
				}
			}
		}
	}
	return names
}

// rowsByName reads which errors problem_table.go names, since a variable's name
// can not be had from its value.
func rowsByName(t *testing.T) map[string]bool {
	names := map[string]bool{}
	for _, file := range []string{"problem_table.go", "problem_people.go"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`\b[a-z]+\.Err[A-Za-z]+`).FindAllString(string(text), -1) {
			names[m] = true
		}
	}
	return names
}

func TestTableIsSound(t *testing.T) {
	t.Parallel()
	codes := map[string]bool{}
	for _, r := range append(table(), row{problem: internal}) {
		p := r.problem
		if codes[p.code] {
			t.Errorf("%s has two rows", p.code)
		}
		codes[p.code] = true
		if !regexp.MustCompile(`^[a-z_]+$`).MatchString(p.code) {
			t.Errorf("%q is no stable code", p.code)
		}
		for what, s := range map[string]string{"title": p.title, "detail": p.detail, "fix": p.fix} {
			if !regexp.MustCompile(`\p{Han}`).MatchString(s) {
				t.Errorf("%s: %s %q is not Chinese", p.code, what, s)
			}
		}
		if p.status < 400 || p.status > 599 {
			t.Errorf("%s: status %d", p.code, p.status)
		}
		if (p.status == 503 || p.status == 429) && p.retry == 0 {
			t.Errorf("%s: a %d needs advice when to try again", p.code, p.status)
		}
	}
	// A row behind one that already matches its error would never be seen.
	p := testProblems()
	for i, r := range table() {
		for _, e := range r.errs {
			if got := p.find(fmt.Errorf("wrapped: %w", e)); got.code != table()[i].code {
				t.Errorf("%v is answered %s, its row says %s", e, got.code, table()[i].code)
			}
		}
	}
}

// TestOpenAPINamesEveryCode holds the enum in the document to the table.
func TestOpenAPINamesEveryCode(t *testing.T) {
	t.Parallel()
	text := string(openAPI)
	_, list, ok := strings.Cut(text[strings.Index(text, "\n    ProblemCode:"):], "enum:\n")
	if !ok {
		t.Fatal("no enum of problem codes")
	}
	var documented []string
	for _, line := range strings.Split(strings.TrimSpace(list), "\n") {
		documented = append(documented, strings.TrimPrefix(strings.TrimSpace(line), "- "))
	}
	var codes []string
	for _, r := range append(tillRows(), row{problem: internal}) {
		codes = append(codes, r.code)
	}
	slices.Sort(codes)
	slices.Sort(documented)
	if diff := cmp.Diff(codes, documented); diff != "" {
		t.Errorf("(-table +openapi.yaml)\n%s", diff)
	}
}

func testProblems() *problems {
	return &problems{rows: table(), logger: slog.New(slog.DiscardHandler), clock: func() time.Time {
		return time.Date(2026, 6, 1, 4, 0, 0, 0, time.UTC)
	}}
}

func testExchange(p *problems) *exchange.Exchange {
	c, _ := gin.CreateTestContext(httptest.NewRecorder())
	c.Request = httptest.NewRequest("GET", "/", nil)
	x := exchange.NewPool(p).Get(c, time.Now())
	x.ID = "r1"
	return x
}

func TestProblemDocuments(t *testing.T) {
	t.Parallel()
	base := func(code string) map[string]any {
		p := testProblems()
		for i := range p.rows {
			if pr := p.rows[i].problem; pr.code == code {
				return map[string]any{
					"type": "/docs#problem-" + code, "title": pr.title, "status": float64(pr.status),
					"detail": pr.detail, "code": code, "fix": pr.fix, "request_id": "r1",
				}
			}
		}
		t.Fatalf("no problem %s", code)
		return nil
	}
	with := func(m map[string]any, more ...any) map[string]any {
		for i := 0; i < len(more); i += 2 {
			m[more[i].(string)] = more[i+1]
		}
		return m
	}
	quote := map[string]any{
		"token": "abc", "expires_at": "2026-06-01T12:03:00+08:00", "amount_fen": 100.0, "discount_fen": 10.0,
		"payable_fen": 90.0, "lifted": false, "applied": []any{}, "declined": []any{},
	}
	for _, c := range []struct {
		err    error
		want   map[string]any
		header string
	}{
		{card.ErrCodeInvalid, base("code_invalid"), ""},
		{fmt.Errorf("%w: 1 is not 2", terms.ErrAmount), base("amount_invalid"), ""},
		{exchange.ErrUnauthorized, with(base("unauthorized"), "server_time", "2026-06-01T12:00:00+08:00"), ""},
		{&purchase.Refusal{Err: purchase.ErrCodeUsed, RetryAfter: 12_100 * time.Millisecond},
			with(base("code_used"), "retry_after_s", 13.0), "13"},
		{purchase.ErrOverloaded, with(base("overloaded"), "retry_after_s", 1.0), "1"},
		{&strictjson.Error{Err: strictjson.ErrUnknownField, Field: "x", Offset: 7},
			with(base("unknown_field"), "field", "x", "offset", 7.0), ""},
		{&purchase.Refusal{Err: purchase.ErrLimitReached, Offer: "once", Quote: &purchase.VerifyAnswer{
			HasQuote: true, Token: []byte("abc"), ExpiresAt: time.Date(2026, 6, 1, 4, 3, 0, 0, time.UTC),
			AmountFen: 100, DiscountFen: 10, PayableFen: 90,
		}}, with(base("limit_reached"), "offer", "once", "quote", quote), ""},
		{merchant.ErrNotFound, base("not_found"), ""},
		{fmt.Errorf("merchant: use assertion: %w", &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}),
			with(base("overloaded"), "retry_after_s", 1.0), "1"},
		{fmt.Errorf("%w: %w", purchase.ErrOutcomeUnknown, io.ErrUnexpectedEOF),
			with(base("outcome_unknown"), "retry_after_s", 2.0), "2"},
	} {
		p := testProblems()
		x := testExchange(p)
		p.answer(x, c.err)
		var got map[string]any
		if err := json.Unmarshal(x.Out, &got); err != nil {
			t.Fatalf("%v: %v in %s", c.err, err, x.Out)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%v: (-want +got)\n%s", c.err, diff)
		}
		if h := x.Gin.Writer.Header().Get("Retry-After"); h != c.header {
			t.Errorf("%v: Retry-After %q, want %q", c.err, h, c.header)
		}
	}
}

func TestInternalLeaksNothingAndIsLogged(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	p := testProblems()
	p.logger = slog.New(slog.NewJSONHandler(&log, nil))
	x := testExchange(p)
	p.answer(x, errors.New("password=hunter2"))
	if x.Status != 500 || strings.Contains(string(x.Out), "hunter2") || x.Outcome != "internal" {
		t.Errorf("answer %d %s", x.Status, x.Out)
	}
	if !strings.Contains(log.String(), "hunter2") || !strings.Contains(log.String(), `"request_id":"r1"`) {
		t.Errorf("log: %s", log.String())
	}
}
