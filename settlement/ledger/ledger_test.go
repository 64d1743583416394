package ledger

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"pgregory.net/rapid"

	"unioncard/migrations/pgtest"
)

func TestAccounts(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		account Account
		number  int64 // as the migration writes it
		text    string
	}{
		{Fund(3), 1<<56 | 3, "fund:3"},
		{Budget(MaxID), 2<<56 | MaxID, "budget:72057594037927935"},
		{Merchant(7), 3<<56 | 7, "merchant:7"},
		{Discount(7), 4<<56 | 7, "discount:7"},
		{Members(), 5 << 56, "members"},
		{Unbudgeted(), 6 << 56, "unbudgeted"},
		{Payment(9), 7<<56 | 9, "payment:9"},
		{Adjustment(1), 8<<56 | 1, "adjustment:1"},
	} {
		if int64(tt.account) != tt.number || tt.account.String() != tt.text || !tt.account.Valid() {
			t.Errorf("%v is %d, valid %v; want %s, %d", tt.account, int64(tt.account), tt.account.Valid(), tt.text, tt.number)
		}
		if got, err := Parse(tt.text); err != nil || got != tt.account {
			t.Errorf("Parse(%s) = %v, %v", tt.text, got, err)
		}
	}
	for _, a := range []Account{0, Fund(0), Budget(-1), Merchant(MaxID + 1), Account(9 << 56), Account(-1), Members() | 1, Fund(1) &^ 1} {
		if a.Valid() {
			t.Errorf("%d is valid", int64(a))
		}
	}
	for _, s := range []string{"", ":", "fund", "fund:", "fund:0", "fund:01", "fund:-1", "fund:+1", "members:", "members:1", "kind_9", "kind_9:1", "budget:72057594037927936"} {
		if a, err := Parse(s); err == nil {
			t.Errorf("%q is %v", s, a)
		}
	}
}

// What parses is written as it was read, and is an account.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"fund:3", "members", "unbudgeted", "payment:x", "merchant:9999999999999999999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := Parse(s)
		if err == nil && (a.String() != s || !a.Valid()) {
			t.Errorf("%q is %v, valid %v", s, a, a.Valid())
		}
	})
}

func TestEveryValidAccountParses(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		a := Account(rapid.Int64().Draw(rt, "account"))
		if got, err := Parse(a.String()); a.Valid() != (err == nil) || err == nil && got != a {
			rt.Fatalf("%d: %v, %v", int64(a), got, err)
		}
	})
}

func TestDays(t *testing.T) {
	t.Parallel()
	midnight := time.Date(2026, 2, 28, 16, 0, 0, 0, time.UTC) // 1 March in Beijing
	for at, want := range map[time.Time]string{
		midnight: "2026-03-01", midnight.Add(-1): "2026-02-28", time.Unix(-1, 0): "1970-01-01", time.Date(1969, 12, 31, 15, 59, 59, 0, time.UTC): "1969-12-31",
	} {
		d := DayOf(at)
		if back, err := ParseDay(want); d.String() != want || err != nil || back != d {
			t.Errorf("%v is %v, want %s (%v, %v)", at, d, want, back, err)
		}
	}
	if d := DayOf(midnight); !d.Start().Equal(midnight) || d.Date().Format(time.RFC3339) != "2026-03-01T00:00:00Z" {
		t.Errorf("starts %v, date %v", d.Start(), d.Date())
	}
	if _, err := ParseDay("2026-02-30"); err == nil {
		t.Error("30 February")
	}
}

func TestPost(t *testing.T) {
	t.Parallel()
	ctx, tx := t.Context(), pgtest.Tx(t)
	doc := uuid.Must(uuid.NewV7())
	post := Transfer{MerchantID: 7, Day: 20000, Doc: doc, Kind: Purchase, Debit: Discount(7), Credit: Members(), Fen: 100}
	second := post
	second.Debit, second.Credit, second.Fen = Budget(3), Merchant(7), 50
	undo := Transfer{MerchantID: 7, Day: 20001, Doc: doc, Seq: 1, Leg: 2, Kind: Void, Debit: Merchant(7), Credit: Budget(3), Fen: 50}
	if err := Post(ctx, tx, post, undo, second); err != nil {
		t.Fatal(err)
	}
	rows, err := tx.Query(ctx, `SELECT merchant_id, business_day - date '1970-01-01', doc, seq, leg, kind, debit, credit, fen FROM transfers ORDER BY seq, leg`)
	if err != nil {
		t.Fatal(err)
	}
	got, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Transfer])
	if err != nil {
		t.Fatal(err)
	}
	post.Leg, second.Leg = 1, 2
	if diff := cmp.Diff([]Transfer{post, second, undo}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for name, change := range map[string]func(*Transfer){
		"nothing":      func(t *Transfer) { t.Fen = 0 },
		"less":         func(t *Transfer) { t.Fen = -1 },
		"to itself":    func(t *Transfer) { t.Credit = t.Debit },
		"from nowhere": func(t *Transfer) { t.Debit = Budget(0) },
		"of no kind":   func(t *Transfer) { t.Kind = 11 },
	} {
		bad := undo
		bad.Seq = 9
		change(&bad)
		if err := Post(ctx, tx, bad); err == nil {
			t.Errorf("posted %s", name)
		}
	}
}

// Nobody changes the book: not what was posted, and not by posting it again.
func TestTransfersStay(t *testing.T) {
	t.Parallel()
	for name, sql := range map[string]string{
		"update":   `UPDATE transfers SET fen = fen + 1`,
		"delete":   `DELETE FROM transfers`,
		"truncate": `TRUNCATE transfers`,
		"again":    `INSERT INTO transfers SELECT * FROM transfers`,
		"no fen":   `INSERT INTO transfers SELECT merchant_id, business_day, doc, 5, leg, kind, debit, credit, 0 FROM transfers`,
		"one side": `INSERT INTO transfers SELECT merchant_id, business_day, doc, 5, leg, kind, debit, debit, 1 FROM transfers`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, tx := t.Context(), pgtest.Tx(t)
			err := Post(ctx, tx, Transfer{Day: 1, Doc: uuid.Must(uuid.NewV7()), Kind: Funding, Debit: Fund(1), Credit: Budget(1), Fen: 5})
			if err != nil {
				t.Fatal(err)
			}
			var pg *pgconn.PgError
			if _, err := tx.Exec(ctx, sql); !errors.As(err, &pg) || pg.Code[:2] != "23" {
				t.Errorf("%v", err)
			}
		})
	}
}
