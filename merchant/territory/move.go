package territory

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card/feed"
	"unioncard/card/union"
	"unioncard/merchant"
)

// move is one sort of rows that a merger moves. Every statement may be run again:
// it takes what still belongs to the union merged.
type move struct {
	// what names the rows in union_mergers.moved.
	what string
	// columns are what it writes, "table.column", for the test of completeness.
	columns []string
	// division: only where a territory's own union is merged.
	division bool
	// sql selects how many rows it moved. Its arguments are those of args.
	sql string
}

// handover is the part of a statement that logs a move of each object: n is what was
// updated. Set-based, as a county may have thousands.
func handover(kind string) string {
	return `e AS (INSERT INTO events (actor, action, object_kind, object_id, reason, before, after)
		SELECT @actor, '` + kind + `.handover', '` + kind + `', n.id::text, @reason,
			jsonb_build_object('union', @from::bigint), jsonb_build_object('union', @into::bigint) FROM n)`
}

// fed is the part of a statement that tells the nodes of each object.
func fed(kind feed.Kind) string {
	return fmt.Sprintf(`f AS (INSERT INTO changes (kind, object_id, version) SELECT %d, n.id, n.version FROM n)`, kind)
}

const counted = ` SELECT count(*) FROM n`

// moves are in the order of locks: members before their cards, merchants before
// what is theirs. Members and cards are locked in the order of their numbers, as
// by all who lock many of them and do not hold the tree (batches that are printed
// and handed out, personal keys that are rotated).
func moves() []move {
	return []move{
		{what: "members", columns: []string{"members.union_id"},
			sql: `WITH l AS (SELECT id FROM members WHERE union_id = @from ORDER BY id FOR UPDATE),
				n AS (UPDATE members m SET union_id = @into, version = version + 1 FROM l WHERE m.id = l.id RETURNING m.id), ` +
				handover("member") + counted},
		// A transfer between the two has come about; others are the successor's.
		{what: "transfers", columns: []string{"member_transfers.from_union", "member_transfers.to_union"},
			sql: `WITH v AS (UPDATE member_transfers SET state = 'void', decided_by = @actor, decided_at = @now, answer = @reason
					WHERE state = 'requested' AND from_union IN (@from, @into) AND to_union IN (@from, @into)),
				n AS (UPDATE member_transfers SET from_union = CASE from_union WHEN @from THEN @into ELSE from_union END,
						to_union = CASE to_union WHEN @from THEN @into ELSE to_union END
					WHERE state = 'requested' AND @from IN (from_union, to_union) AND NOT @into IN (from_union, to_union) RETURNING id)` + counted},
		{what: "batches", columns: []string{"batches.union_id"},
			sql: `WITH n AS (UPDATE batches SET union_id = @into, version = version + 1 WHERE union_id = @from RETURNING id), ` +
				handover("batch") + counted},
		// A roster that both have taken up stays with whom it was.
		{what: "rosters", columns: []string{"roster_runs.union_id"},
			sql: `WITH n AS (UPDATE roster_runs r SET union_id = @into WHERE union_id = @from AND NOT EXISTS
				(SELECT FROM roster_runs o WHERE o.union_id = @into AND o.sha256 = r.sha256) RETURNING id)` + counted},
		{what: "cards", columns: []string{"cards.territory"},
			sql: `WITH l AS (SELECT c.serial FROM cards c JOIN members m ON m.id = c.member_id
					WHERE m.union_id = ANY (@homes) AND c.territory <> @to_code ORDER BY c.serial FOR UPDATE OF c),
				n AS (UPDATE cards c SET territory = @to_code, version = c.version + 1 FROM l
					WHERE c.serial = l.serial RETURNING c.serial AS id, c.version), ` +
				fed(feed.KindCard) + counted},
		{what: "merchants", columns: []string{"merchants.office_id"},
			sql: `WITH n AS (UPDATE merchants SET office_id = @into, version = version + 1 WHERE office_id = @from RETURNING id, version), ` +
				handover("merchant") + `, ` + fed(feed.KindMerchant) + counted},
		{what: "contracts", columns: []string{"contracts.office_id"},
			sql: `WITH n AS (UPDATE contracts SET office_id = @into, version = version + 1 WHERE office_id = @from RETURNING id, version), ` +
				handover("contract") + `, ` + fed(feed.KindContract) + counted},
		{what: "outlets", columns: []string{"outlets.territory"}, division: true,
			sql: `WITH n AS (UPDATE outlets SET territory = @to_code, version = version + 1 WHERE territory = @from_code RETURNING id, version),
				e AS (INSERT INTO events (actor, action, object_kind, object_id, reason, before, after)
					SELECT @actor, 'outlet.handover', 'outlet', n.id::text, @reason,
						jsonb_build_object('territory', @from_code::integer), jsonb_build_object('territory', @to_code::integer) FROM n), ` +
				fed(feed.KindOutlet) + counted},
		{what: "staff", columns: []string{"staff.union_id"},
			sql: `WITH n AS (UPDATE staff SET union_id = @into, version = version + 1 WHERE union_id = @from RETURNING id), ` +
				handover("staff") + counted},
		{what: "applications", columns: []string{"applications.office_id"},
			sql: `WITH n AS (UPDATE applications SET office_id = @into, version = version + 1 WHERE office_id = @from RETURNING id), ` +
				handover("application") + counted},
		// What an application that is over said of its outlets stays as it was said.
		{what: "application_outlets", columns: []string{"application_outlets.territory"}, division: true,
			sql: `WITH n AS (UPDATE application_outlets o SET territory = @to_code FROM applications a
				WHERE a.id = o.application_id AND o.territory = @from_code AND a.status NOT IN ('ended', 'rejected') RETURNING a.id)` + counted},
		{what: "proposals", columns: []string{"proposals.office_id"},
			sql: `WITH n AS (UPDATE proposals SET office_id = @into WHERE office_id = @from RETURNING id)` + counted},
		// Two budgets of one name at one time are told apart by where one came from.
		{what: "budgets", columns: []string{"budgets.office_id"},
			sql: `WITH n AS (UPDATE budgets b SET office_id = @into, version = version + 1,
					name = CASE WHEN b.state <> 'closed' AND EXISTS (SELECT FROM budgets o WHERE o.office_id = @into AND o.kind = b.kind AND o.name = b.name
						AND o.state <> 'closed' AND daterange(o.first_day, o.last_day, '[]') && daterange(b.first_day, b.last_day, '[]'))
						THEN left(b.name, 24) || '（原' || left((SELECT name FROM unions WHERE id = @from), 12) || '）' ELSE b.name END
				WHERE office_id = @from RETURNING id, version), ` +
				handover("budget") + `, ` + fed(feed.KindBudget) + counted},
		// Whose members may claim; their cards carry the successor's code by now.
		{what: "voucher_series", columns: []string{"voucher_series.territory"}, division: true,
			sql: `WITH n AS (UPDATE voucher_series SET territory = @to_code WHERE territory = @from_code RETURNING budget_id)` + counted},
		// What is not sent yet, and what the bank still answers, is the successor's to see to.
		{what: "payments", columns: []string{"payments.office_id"},
			sql: `WITH n AS (UPDATE payments SET office_id = @into, version = version + 1 WHERE office_id = @from RETURNING id), ` +
				handover("payment") + counted},
		// A workbook that both have taken in stays with whom it was.
		{what: "imports", columns: []string{"import_runs.office_id"},
			sql: `WITH n AS (UPDATE import_runs r SET office_id = @into WHERE office_id = @from
				AND (applied_at IS NULL OR NOT EXISTS (SELECT FROM import_runs o WHERE o.office_id = @into AND o.sha256 = r.sha256 AND o.applied_at IS NOT NULL))
				RETURNING id)` + counted},
	}
}

// history are the columns that name a union or a territory and stay as they are.
func history() []string {
	return []string{
		"event_scopes.object_union", "event_scopes.actor_union", // an event is whose it was
		"adjustments.office_id",                             // the account it was posted from
		"purchase_days.office_id",                           // but for open days, see Options.HandOver
		"spending_days.office_id",                           // open days are added up anew
		"impact_rows.office_id",                             // as it was found
		"roster_rows.union_id",                              // what was checked; applying it looks at the union again
		"cards.batch_territory", "batch_progress.territory", // where a batch issued its cards
		"union_names.union_id", "union_mergers.union_id", "union_mergers.into_id",
		"union_mergers.from_territory", "union_mergers.into_territory",
		// The tree itself: union.Merge.
		"unions.parent_id", "unions.merged_into", "unions.territory", "unions.division",
	}
}

// unfinished is work of the union merged that would mean something else under its
// successor, and has to be brought to an end first: a batch would take in the
// successor's members too.
func unfinished() []struct{ sql, sentence string } {
	return []struct{ sql, sentence string }{
		{`SELECT count(*) FROM batches WHERE union_id = $1 AND status IN (1, 2)`,
			"被并工会还有 %d 个发卡批次没有办完。请先办完或关闭这些批次，再来合并。"},
		{`SELECT count(*) FROM roster_runs WHERE union_id = $1 AND state IN ('queued', 'checking', 'checked', 'confirmed', 'applying')`,
			"被并工会还有 %d 份名册没有处理完。请先应用或放弃这些名册，再来合并。"},
	}
}

// checkUnfinished refuses a merger while there is such work.
func checkUnfinished(ctx context.Context, db merchant.DB, from int64) error {
	var bad merchant.FieldErrors
	for _, u := range unfinished() {
		var n int64
		if err := db.QueryRow(ctx, u.sql, from).Scan(&n); err != nil {
			return fmt.Errorf("territory: unfinished work: %w", err)
		}
		if n > 0 {
			bad.Add("into", fmt.Sprintf(u.sentence, n))
		}
	}
	return bad.Err()
}

// lockMerchants takes the row locks of every merchant that something of is moved,
// which whoever changes merchants, outlets or contracts takes first.
const lockMerchants = `SELECT id FROM merchants WHERE office_id = @from
	OR id IN (SELECT merchant_id FROM contracts WHERE office_id = @from)
	OR id IN (SELECT merchant_id FROM outlets WHERE territory = @from_code AND @division) ORDER BY id FOR NO KEY UPDATE`

// moveAll moves everything that belongs to m.From to m.Into and returns how many
// rows of which sort. The tree has been changed before.
func moveAll(ctx context.Context, tx pgx.Tx, by merchant.By, m *union.Merger, at time.Time) (map[string]int64, error) {
	homes := []int64{m.From.ID, m.Into.ID}
	for _, b := range m.Below {
		if b.FromTerritory != b.ToTerritory {
			homes = append(homes, b.ID)
		}
	}
	division := m.From.Division != 0
	args := pgx.NamedArgs{"from": m.From.ID, "into": m.Into.ID, "from_code": m.From.Territory, "to_code": m.Into.Territory,
		"homes": homes, "actor": by.Actor, "reason": by.Reason, "division": division, "now": at}
	if _, err := tx.Exec(ctx, lockMerchants, args); err != nil {
		return nil, fmt.Errorf("territory: lock merchants: %w", err)
	}
	moved := map[string]int64{}
	for _, v := range moves() {
		if v.division && !division || v.what == "cards" && !m.Changes() {
			continue
		}
		var n int64
		if err := tx.QueryRow(ctx, v.sql, args).Scan(&n); err != nil {
			return nil, fmt.Errorf("territory: move %s: %w", v.what, err)
		}
		if n > 0 {
			moved[v.what] = n
		}
	}
	return moved, nil
}
