package merchant

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// locateSQL finds the path of the union that answers for an object, by the
// object's kind as events name it ("contract:12").
var locateSQL = map[string]string{
	"merchant": `SELECT u.path FROM merchants m JOIN unions u ON u.id = m.office_id WHERE m.id = $1`,
	// A user of a merchant, as its office keeps it.
	"merchantuser":   `SELECT u.path FROM merchant_users w JOIN merchants m ON m.id = w.merchant_id JOIN unions u ON u.id = m.office_id WHERE w.id = $1`,
	"outlet":         `SELECT u.path FROM outlets o JOIN merchants m ON m.id = o.merchant_id JOIN unions u ON u.id = m.office_id WHERE o.id = $1`,
	"terminal":       `SELECT u.path FROM terminals t JOIN merchants m ON m.id = t.merchant_id JOIN unions u ON u.id = m.office_id WHERE t.id = $1`,
	"contract":       `SELECT u.path FROM contracts c JOIN unions u ON u.id = c.office_id WHERE c.id = $1`,
	"floor":          `SELECT u.path FROM floors f, unions u WHERE f.id = $1 AND u.parent_id IS NULL`,
	"proposal":       `SELECT u.path FROM proposals p JOIN unions u ON u.id = p.office_id WHERE p.id = $1`,
	"statement":      `SELECT u.path FROM statements s JOIN merchants m ON m.id = s.merchant_id JOIN unions u ON u.id = m.office_id WHERE s.id = $1`,
	"payment":        `SELECT u.path FROM payments p JOIN unions u ON u.id = p.office_id WHERE p.id = $1`,
	"importrun":      `SELECT u.path FROM import_runs r JOIN unions u ON u.id = r.office_id WHERE r.id = $1`,
	"difference":     `SELECT u.path FROM recon_differences d JOIN merchants m ON m.id = d.merchant_id JOIN unions u ON u.id = m.office_id WHERE d.id = $1`,
	"reconciliation": `SELECT u.path FROM reconciliations r JOIN merchants m ON m.id = r.merchant_id JOIN unions u ON u.id = m.office_id WHERE r.id = $1`,
	"rosterrun":      `SELECT u.path FROM roster_runs r JOIN unions u ON u.id = r.union_id WHERE r.id = $1 AND r.state <> 'uploading'`,
	"member":         `SELECT u.path FROM members m JOIN unions u ON u.id = m.union_id WHERE m.id = $1`,
	// A transfer as the union sees it that the member leaves, and as the one that asked.
	"transferout": `SELECT u.path FROM member_transfers t JOIN unions u ON u.id = t.from_union WHERE t.id = $1`,
	"transferin":  `SELECT u.path FROM member_transfers t JOIN unions u ON u.id = t.to_union WHERE t.id = $1`,
	"union":       `SELECT path FROM unions WHERE id = $1`,
	"card":        `SELECT u.path FROM cards c JOIN members m ON m.id = c.member_id JOIN unions u ON u.id = m.union_id WHERE c.serial = $1`,
	"budget":      `SELECT u.path FROM budgets b JOIN unions u ON u.id = b.office_id WHERE b.id = $1`, // a voucher series too
	"series":      `SELECT u.path FROM budgets b JOIN unions u ON u.id = b.office_id WHERE b.id = $1 AND b.kind = 'series'`,
	"batch":       `SELECT u.path FROM batches b JOIN unions u ON u.id = b.union_id WHERE b.id = $1`,
	"staff":       `SELECT u.path FROM staff s JOIN unions u ON u.id = s.union_id WHERE s.id = $1`,
	// A public draft that was not sent is not the office's yet.
	"application": `SELECT u.path FROM applications a JOIN unions u ON u.id = a.office_id WHERE a.id = $1 AND NOT (a.source = 'public' AND a.submitted_at IS NULL)`,
	"file": `SELECT u.path FROM files f JOIN unions u ON u.id = CASE f.object_kind
		WHEN 'application' THEN (SELECT office_id FROM applications WHERE id = f.object_id AND NOT (source = 'public' AND submitted_at IS NULL))
		WHEN 'merchant' THEN (SELECT office_id FROM merchants WHERE id = f.object_id)
		WHEN 'outlet' THEN (SELECT m.office_id FROM outlets o JOIN merchants m ON m.id = o.merchant_id WHERE o.id = f.object_id)
		WHEN 'contract' THEN (SELECT office_id FROM contracts WHERE id = f.object_id) END WHERE f.id = $1`,
}

// Locate returns the path of the union that answers for an object: who has that
// path in their territory may know of the object (invariant 9). ErrNotFound.
func Locate(ctx context.Context, db DB, kind string, id int64) (path string, err error) {
	sql, ok := locateSQL[kind]
	if !ok {
		return "", fmt.Errorf("merchant.Locate: no object is a %q", kind)
	}
	err = db.QueryRow(ctx, sql, id).Scan(&path)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", ErrNotFound
	}
	if err != nil {
		return "", fmt.Errorf("merchant.Locate: %w", err)
	}
	return path, nil
}

// Locatable reports whether Locate knows a kind of object.
func Locatable(kind string) bool { return locateSQL[kind] != "" }
