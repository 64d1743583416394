package personal_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"unioncard/card/personal"
	"unioncard/migrations/pgtest"
)

// keep stores a person as a member, as every writer does: looking for all hashes,
// sealing with the present key, and again when the fence says that it has moved.
func keep(ctx context.Context, db *pgxpool.Pool, v *personal.Vault, p personal.Person) error {
	for {
		var there bool
		err := db.QueryRow(ctx, `SELECT EXISTS (SELECT FROM members WHERE id_hash = ANY($1))`, v.IDHashes(p.ResidentID)).Scan(&there)
		if err != nil || there {
			return errors.Join(err, errThere)
		}
		s, err := v.Seal(p)
		if err != nil {
			return err
		}
		_, err = db.Exec(ctx, `INSERT INTO members (union_id, name_masked, id_hash, phone_hash, id_sealed, phone_sealed, name_sealed, data_key, index_key)
			VALUES (1, '*', $1, $2, $3, $4, $5, $6, $7)`, s.IDHash, s.PhoneHash, s.ID, s.Phone, s.Name, s.Key, s.IndexKey)
		if !personal.KeysMoved(err) {
			return err
		}
		if err := v.Reload(ctx); err != nil {
			return err
		}
	}
}

var errThere = errors.New("the person is there")

func someone(t testing.TB, n int) personal.Person {
	t.Helper()
	id, err := personal.CompleteResidentID(fmt.Sprintf("41010519900101%03d", n))
	if err != nil {
		t.Fatal(err)
	}
	return personal.Person{ResidentID: string(id), Phone: fmt.Sprintf("139%08d", n), Name: "张三"}
}

// province is a database with one union, 1.
func province(t testing.TB) *pgxpool.Pool {
	t.Helper()
	db := pgtest.New(t)
	if _, err := db.Exec(t.Context(), `INSERT INTO unions (id, kind, name, path, division, territory)
		VALUES (1, 'province', '河南省总工会', '/1/', 410000, 410000)`); err != nil {
		t.Fatal(err)
	}
	return db
}

// all reads back every member, by plain resident ID.
func all(t testing.TB, db *pgxpool.Pool, v *personal.Vault) map[string]personal.Sealed {
	t.Helper()
	rows, err := db.Query(t.Context(), `SELECT id_hash, phone_hash, id_sealed, phone_sealed, name_sealed, data_key, index_key FROM members`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	out := map[string]personal.Sealed{}
	for rows.Next() {
		var s personal.Sealed
		if err := rows.Scan(&s.IDHash, &s.PhoneHash, &s.ID, &s.Phone, &s.Name, &s.Key, &s.IndexKey); err != nil {
			t.Fatal(err)
		}
		p, err := v.Reveal(s)
		if err != nil {
			t.Fatal(err)
		}
		if hashes := v.PhoneHashes(p.Phone); !slices.Contains(hashes, s.PhoneHash) {
			t.Errorf("a phone is not found under its hash")
		}
		if out[p.ResidentID].ID != nil {
			t.Errorf("a person is there twice")
		}
		out[p.ResidentID] = s
	}
	return out
}

var rotate = personal.RotateOptions{Actor: "cli:test", Reason: "test", Settle: time.Millisecond, Batch: 7}

// From either suite to the other: everybody is sealed anew, found by the new hash
// alone, and what else was sealed before still opens.
func TestRotate(t *testing.T) {
	t.Parallel()
	suites(t, func(t *testing.T, suite personal.Suite) {
		ctx, db := t.Context(), province(t)
		v := open(t, db, suite)
		for n := range 30 {
			if err := keep(ctx, db, v, someone(t, n)); err != nil {
				t.Fatal(err)
			}
		}
		before := all(t, db, v)
		text := v.SealBytes("row", []byte("张三"), []byte("1"))
		other := personal.AES()
		if suite.Name() == "aes" {
			other = personal.SM()
		}
		o := rotate
		o.Suite = other
		if continued, err := v.Rotate(ctx, o); err != nil || continued {
			t.Fatalf("continued %v, %v", continued, err)
		}
		fresh := open(t, db, suite)
		after := all(t, db, fresh)
		if len(after) != len(before) {
			t.Fatalf("%d members, want %d", len(after), len(before))
		}
		for id, s := range after {
			old := before[id]
			if s.Key == old.Key || s.IndexKey == old.IndexKey || s.IDHash == old.IDHash || bytes.Equal(s.ID, old.ID) {
				t.Errorf("a member is still as before: keys %d and %d", s.Key, s.IndexKey)
			}
			if hashes := fresh.IDHashes(id); len(hashes) != 1 || hashes[0] != s.IDHash {
				t.Errorf("found by %d hashes", len(hashes))
			}
		}
		if plain, err := fresh.OpenBytes("row", text, []byte("1")); err != nil || string(plain) != "张三" {
			t.Errorf("a text of before: %q, %v", plain, err)
		}
		status, err := fresh.Status(ctx)
		if err != nil || status.Left != 0 || status.Members != 30 || len(status.Keys) != 4 || status.Keys[0].Suite != other.Name() ||
			!status.Keys[0].InUse || status.Keys[0].Members != 30 || !status.Keys[3].Retired {
			t.Errorf("status %+v, %v", status, err)
		}
	})
}

// While a rotation runs, two nodes of which one never hears of it register people
// at once, some of them the same: nobody gets in twice and nobody is lost.
func TestRotateWhileTheServiceRuns(t *testing.T) {
	t.Parallel()
	ctx, db := t.Context(), province(t)
	nodes := []*personal.Vault{open(t, db, personal.AES()), open(t, db, personal.AES())}
	const persons = 120
	var wg sync.WaitGroup
	var mu sync.Mutex
	stored := map[int]int{}
	enough := make(chan struct{})
	for _, v := range nodes {
		wg.Go(func() {
			for n := range persons {
				err := keep(ctx, db, v, someone(t, n))
				mu.Lock()
				if err == nil {
					stored[n]++
				}
				if len(stored) >= persons/4 {
					select {
					case <-enough:
					default:
						close(enough)
					}
				}
				mu.Unlock()
			}
		})
	}
	select {
	case <-enough:
	case <-time.After(time.Minute):
		t.Error("nobody is registered")
	}
	rotator := open(t, db, personal.AES())
	if _, err := rotator.Rotate(ctx, rotate); err != nil {
		t.Error(err)
	}
	wg.Wait()
	// Whoever came with the older data key after the last look is met now.
	if _, err := rotator.Rotate(ctx, rotate); err != nil {
		t.Error(err)
	}
	for n := range persons {
		if stored[n] != 1 {
			t.Errorf("person %d was registered %d times", n, stored[n])
		}
	}
	if got := len(all(t, db, rotator)); got != persons {
		t.Errorf("%d members, want %d", got, persons)
	}
}

// A rotation that dies anywhere is gone on with and makes no further keys.
func TestRotateResumes(t *testing.T) {
	t.Parallel()
	ctx, db := t.Context(), province(t)
	v := open(t, db, personal.AES())
	for n := range 40 {
		if err := keep(ctx, db, v, someone(t, n)); err != nil {
			t.Fatal(err)
		}
	}
	// Before the keys are used.
	early, stop := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() { // dies once the keys are made
		for made := 0; made < 4 && ctx.Err() == nil; {
			_ = db.QueryRow(ctx, `SELECT count(*) FROM data_keys`).Scan(&made)
		}
		stop()
	})
	defer watch.Wait()
	o := rotate
	o.Settle = time.Hour
	if _, err := v.Rotate(early, o); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	// In the midst of the members.
	late, stop := context.WithCancel(ctx)
	o = rotate
	o.Progress = func(done int64) {
		if done >= 20 {
			stop()
		}
	}
	if continued, err := v.Rotate(late, o); !errors.Is(err, context.Canceled) || !continued {
		t.Fatalf("continued %v, %v", continued, err)
	}
	if hashes := v.IDHashes("x"); len(hashes) != 2 {
		t.Errorf("%d hashes are looked for, want two", len(hashes))
	}
	o = rotate
	o.Suite = personal.SM()
	if _, err := v.Rotate(ctx, o); err == nil {
		t.Error("another suite in the midst of a rotation")
	}
	if continued, err := v.Rotate(ctx, rotate); err != nil || !continued {
		t.Fatalf("continued %v, %v", continued, err)
	}
	status, err := v.Status(ctx)
	if err != nil || status.Left != 0 || len(status.Keys) != 4 || len(v.IDHashes("x")) != 1 {
		t.Errorf("status %+v, %v", status, err)
	}
}

// A member whose row is damaged keeps it, is named, and stops nobody else.
func TestRotateWithADamagedRow(t *testing.T) {
	t.Parallel()
	ctx, db := t.Context(), province(t)
	v := open(t, db, personal.AES())
	for n := range 10 {
		if err := keep(ctx, db, v, someone(t, n)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := db.Exec(ctx, `UPDATE members SET name_sealed = id_sealed WHERE id = (SELECT min(id) + 3 FROM members)`); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Rotate(ctx, rotate); err == nil {
		t.Error("nothing was said of the damaged row")
	}
	if status, err := v.Status(ctx); err != nil || status.Left != 1 {
		t.Errorf("status %+v, %v", status, err)
	}
	if len(v.IDHashes("x")) != 2 {
		t.Error("the damaged member's key is no longer looked for")
	}
}

// The fence itself: an older index key is refused, whatever the statement.
func TestFence(t *testing.T) {
	t.Parallel()
	ctx, db := t.Context(), province(t)
	v := open(t, db, personal.AES())
	if err := keep(ctx, db, v, someone(t, 1)); err != nil {
		t.Fatal(err)
	}
	old, err := v.Seal(someone(t, 2))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, db, personal.AES()).Rotate(ctx, rotate); err != nil {
		t.Fatal(err)
	}
	for name, sql := range map[string]string{
		"insert": `INSERT INTO members (union_id, name_masked, id_hash, id_sealed, name_sealed, data_key, index_key) VALUES (1, '*', $1, $2, $3, $4, $5)`,
		"update": `UPDATE members SET id_hash = $1, id_sealed = $2, name_sealed = $3, data_key = $4, index_key = $5`,
		"merge": `MERGE INTO members USING (SELECT 1) AS x ON false WHEN NOT MATCHED THEN
			INSERT (union_id, name_masked, id_hash, id_sealed, name_sealed, data_key, index_key) VALUES (1, '*', $1, $2, $3, $4, $5)`,
	} {
		if _, err := db.Exec(ctx, sql, old.IDHash, old.ID, old.Name, old.Key, old.IndexKey); !personal.KeysMoved(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := db.Exec(ctx, `UPDATE members SET class = 1`); err != nil {
		t.Errorf("a change of something else: %v", err)
	}
}

func TestRewrap(t *testing.T) {
	t.Parallel()
	suites(t, func(t *testing.T, suite personal.Suite) {
		ctx, db := t.Context(), pgtest.Tx(t)
		s, err := open(t, db, suite).Seal(zhang)
		if err != nil {
			t.Fatal(err)
		}
		active, keys := uint16(1), map[uint16][]byte{1: bytes.Repeat([]byte{7}, 32), 2: bytes.Repeat([]byte{8}, 32)}
		keks := personal.KEKs{
			Active: func() (uint16, []byte) { return active, keys[active] },
			ByID:   func(id uint16) ([]byte, bool) { k, ok := keys[id]; return k, ok },
		}
		v, err := personal.Open(ctx, db, keks, personal.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if n, err := v.Rewrap(ctx, "cli:test", "test"); n != 0 || err != nil {
			t.Errorf("nothing to wrap: %d, %v", n, err)
		}
		active = 2
		if n, err := v.Rewrap(ctx, "cli:test", "test"); n != 2 || err != nil {
			t.Fatalf("%d keys, %v", n, err)
		}
		if _, err := personal.Open(ctx, db, kek, personal.Options{}); err == nil {
			t.Error("opened without the key that wraps")
		}
		delete(keys, 1)
		v, err = personal.Open(ctx, db, keks, personal.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if p, err := v.Reveal(s); err != nil || plainOf(p) != plainOf(zhang) {
			t.Errorf("after wrapping anew: %v", err)
		}
	})
}
