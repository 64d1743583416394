package personal_test

import (
	"bytes"
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
