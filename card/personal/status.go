package personal

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// KeyStatus is one data or index key as `unioncard personal status` shows it.
type KeyStatus struct {
	ID      int16
	Kind    string // "data" or "index"
	Suite   string
	KEK     uint16 // of the ring "personal"
	Made    time.Time
	InUse   bool  // new values are sealed or hashed with it
	Retired bool  // no member's row names it
	Members int64 // whose rows name it
}

// Status is how personal data is kept.
type Status struct {
	Keys    []KeyStatus // newest first
	Members int64       // with personal data
	Left    int64       // of them with an older key: a rotation has not ended
}

// Status counts the members of every key; it reads all of them.
func (v *Vault) Status(ctx context.Context) (Status, error) {
	var out Status
	rows, err := v.db.Query(ctx, `WITH used AS MATERIALIZED (SELECT data_key, index_key, count(*) AS n FROM members
			WHERE index_key IS NOT NULL GROUP BY 1, 2)
		SELECT k.id, k.kind, k.suite, k.kek, k.created_at, k.id IN (s.data_key, s.index_key), k.retired_at IS NOT NULL,
			coalesce((SELECT sum(n) FROM used WHERE k.id IN (data_key, index_key)), 0)::bigint,
			coalesce((SELECT sum(n) FROM used), 0)::bigint,
			coalesce((SELECT sum(n) FROM used WHERE (data_key, index_key) <> (s.data_key, s.index_key)), 0)::bigint
		FROM data_keys k, personal_state s ORDER BY k.id DESC`)
	if err != nil {
		return out, fmt.Errorf("personal.Status: %w", err)
	}
	out.Keys, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (k KeyStatus, err error) {
		var kek int32
		err = row.Scan(&k.ID, &k.Kind, &k.Suite, &kek, &k.Made, &k.InUse, &k.Retired, &k.Members, &out.Members, &out.Left)
		k.KEK = uint16(kek)
		return k, err
	})
	if err != nil {
		return out, fmt.Errorf("personal.Status: %w", err)
	}
	return out, nil
}
