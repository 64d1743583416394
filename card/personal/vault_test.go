package personal_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"unioncard/card/personal"
	"unioncard/migrations/pgtest"
)

var kek = personal.StaticKEK(1, bytes.Repeat([]byte{7}, 32))

var zhang = personal.Person{ResidentID: "110101199003072893", Phone: "13800138000", Name: "张三丰"}

// suites runs a test once for each cipher suite.
func suites(t *testing.T, test func(t *testing.T, s personal.Suite)) {
	for _, s := range []personal.Suite{personal.AES(), personal.SM()} {
		t.Run(s.Name(), func(t *testing.T) {
			t.Parallel()
			test(t, s)
		})
	}
}

func open(t testing.TB, db personal.DB, s personal.Suite) *personal.Vault {
	t.Helper()
	v, err := personal.Open(t.Context(), db, kek, personal.Options{Suite: s})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestSealAndReveal(t *testing.T) {
	t.Parallel()
	suites(t, func(t *testing.T, suite personal.Suite) {
		db := pgtest.Tx(t)
		v := open(t, db, suite)
		for name, p := range map[string]personal.Person{"whole": zhang, "without a phone": {ResidentID: zhang.ResidentID, Name: "欧阳修"}} {
			s, err := v.Seal(p)
			if err != nil {
				t.Fatal(err)
			}
			// Another node reads what this one wrote.
			got, err := open(t, db, suite).Reveal(s)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if diff := cmp.Diff(plainOf(p), plainOf(got)); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
			if hashes := v.IDHashes(p.ResidentID); len(hashes) != 1 || hashes[0] != s.IDHash {
				t.Errorf("%s: found by %v, stored as %v", name, hashes, s.IDHash)
			}
		}
	})
}

func plainOf(p personal.Person) [3]string { return [3]string{p.ResidentID, p.Phone, p.Name} }

// What is sealed opens only where it was: not in another column, another person's
// row, under another purpose or changed in a bit.
func TestSealedValuesAreBound(t *testing.T) {
	t.Parallel()
	suites(t, func(t *testing.T, suite personal.Suite) {
		v := open(t, pgtest.Tx(t), suite)
		other := zhang
		other.ResidentID, other.Phone = "11010119900307803X", "13900139000"
		a, err := v.Seal(zhang)
		if err != nil {
			t.Fatal(err)
		}
		b, err := v.Seal(other)
		if err != nil {
			t.Fatal(err)
		}
		for name, spoil := range map[string]func(s *personal.Sealed){
			"columns changed about": func(s *personal.Sealed) { s.ID, s.Phone = s.Phone, s.ID },
			"another's phone":       func(s *personal.Sealed) { s.Phone = b.Phone },
			"another's name":        func(s *personal.Sealed) { s.Name = b.Name },
			"another's hash":        func(s *personal.Sealed) { s.IDHash = b.IDHash },
			"another index key":     func(s *personal.Sealed) { s.IndexKey++ },
			"no such data key":      func(s *personal.Sealed) { s.Key = 99 },
			"the index key's id":    func(s *personal.Sealed) { s.Key = s.IndexKey },
			"a bit":                 func(s *personal.Sealed) { s.Name = append([]byte(nil), s.Name...); s.Name[20] ^= 1 },
			"cut off":               func(s *personal.Sealed) { s.ID = s.ID[:len(s.ID)-1] },
			"empty":                 func(s *personal.Sealed) { s.ID = []byte{} },
		} {
			s := a
			spoil(&s)
			if p, err := v.Reveal(s); err == nil || p != (personal.Person{}) {
				t.Errorf("%s: opened", name)
			}
		}
		text := v.SealBytes("row", []byte("张三"), []byte("7"))
		if got, err := v.OpenBytes("row", text, []byte("7")); err != nil || string(got) != "张三" {
			t.Errorf("%q, %v", got, err)
		}
		for name, try := range map[string]func() ([]byte, error){
			"purpose":  func() ([]byte, error) { return v.OpenBytes("ro", text, []byte("w7")) },
			"owner":    func() ([]byte, error) { return v.OpenBytes("row", text, []byte("8")) },
			"a column": func() ([]byte, error) { return v.OpenBytes("row", a.ID, nil) },
			"short":    func() ([]byte, error) { return v.OpenBytes("row", text[:10], []byte("7")) },
		} {
			if got, err := try(); err == nil {
				t.Errorf("%s: opened as %q", name, got)
			}
		}
	})
}

// The same value is sealed differently each time, and hashed the same; an ID that
// equals a phone number hashes differently.
func TestHashes(t *testing.T) {
	t.Parallel()
	suites(t, func(t *testing.T, suite personal.Suite) {
		v := open(t, pgtest.Tx(t), suite)
		a, _ := v.Seal(zhang)
		b, _ := v.Seal(zhang)
		if a.IDHash != b.IDHash || a.PhoneHash != b.PhoneHash {
			t.Error("two hashes of one person")
		}
		if bytes.Equal(a.ID, b.ID) || bytes.Equal(a.ID[:12], a.Name[:12]) {
			t.Error("a nonce twice")
		}
		if v.IDHashes(zhang.Phone)[0] == v.PhoneHashes(zhang.Phone)[0] {
			t.Error("an ID is hashed as a phone number")
		}
		if _, err := v.Seal(personal.Person{Phone: zhang.Phone}); err == nil {
			t.Error("sealed nobody")
		}
		if w := open(t, pgtest.New(t), suite); w.IDHashes("x")[0] == v.IDHashes("x")[0] {
			t.Error("two deployments hash alike")
		}
	})
}

// Many nodes start at once on a fresh database: they agree on one pair of keys.
func TestOpenRaces(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	hashes := make([]personal.Hash, 8)
	var all sync.WaitGroup
	for i := range hashes {
		all.Go(func() {
			v, err := personal.Open(t.Context(), db, kek, personal.Options{})
			if err != nil {
				t.Error(err)
				return
			}
			hashes[i] = v.IDHashes("x")[0]
		})
	}
	all.Wait()
	var keys int
	if err := db.QueryRow(t.Context(), `SELECT count(*) FROM data_keys`).Scan(&keys); err != nil || keys != 2 {
		t.Errorf("%d keys, %v", keys, err)
	}
	for _, h := range hashes {
		if h != hashes[0] || h == (personal.Hash{}) {
			t.Error("two nodes hash differently")
		}
	}
}

// Another deployment's keyring is told from this one's.
func TestOpenWithAWrongKey(t *testing.T) {
	t.Parallel()
	db := pgtest.Tx(t)
	open(t, db, personal.AES())
	for name, keks := range map[string]personal.KEKs{
		"other bytes": personal.StaticKEK(1, bytes.Repeat([]byte{8}, 32)),
		"other id":    personal.StaticKEK(2, bytes.Repeat([]byte{7}, 32)),
	} {
		if _, err := personal.Open(t.Context(), db, keks, personal.Options{}); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
	if _, err := personal.Open(t.Context(), pgtest.New(t), personal.StaticKEK(1, nil), personal.Options{}); err == nil {
		t.Error("keys were made without one to wrap them")
	}
}

// A person, an ID and a vault print nothing, whatever the verb and wherever they
// stand.
func TestNothingIsPrinted(t *testing.T) {
	t.Parallel()
	v := open(t, pgtest.Tx(t), personal.AES())
	id, err := personal.CheckResidentID(zhang.ResidentID)
	if err != nil {
		t.Fatal(err)
	}
	type holder struct {
		P personal.Person
		I personal.ResidentID
		V *personal.Vault
	}
	var out strings.Builder
	for _, x := range []any{zhang, &zhang, []personal.Person{zhang}, id, &id, v, holder{zhang, id, v}, &holder{zhang, id, v}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
			fmt.Fprintf(&out, verb+"\n", x)
		}
		slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "v", x)
		slog.New(slog.NewTextHandler(&out, nil)).Info("x", "v", x)
		_ = json.NewEncoder(&out).Encode(x)
	}
	for _, plain := range []string{zhang.ResidentID, zhang.ResidentID[6:14], zhang.Phone, zhang.Name,
		fmt.Sprintf("%x", zhang.ResidentID[6:14]), fmt.Sprintf("%X", zhang.Phone), fmt.Sprintf("%x", zhang.Name)} {
		if strings.Contains(out.String(), plain) {
			t.Errorf("%q is printed", plain)
		}
	}
}

// Sealing a person carries a roster import of 20,000 rows a second.
func BenchmarkSeal(b *testing.B) {
	for _, s := range []personal.Suite{personal.AES(), personal.SM()} {
		v := open(b, pgtest.New(b), s)
		b.Run(s.Name(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Seal(zhang); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "persons/s")
		})
	}
}

func BenchmarkReveal(b *testing.B) {
	for _, s := range []personal.Suite{personal.AES(), personal.SM()} {
		v := open(b, pgtest.New(b), s)
		sealed, err := v.Seal(zhang)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(s.Name(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Reveal(sealed); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkIDHashes(b *testing.B) {
	for _, s := range []personal.Suite{personal.AES(), personal.SM()} {
		v := open(b, pgtest.New(b), s)
		b.Run(s.Name(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				v.IDHashes(zhang.ResidentID)
			}
		})
	}
}
