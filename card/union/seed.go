package union

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// industries are Henan's industry unions (产业工会), which article 18 sends to
// the trades' associations, and the province-direct union (省直工会) of the
// province's own offices. The notice that we serve goes to both kinds.
func industries() []Union {
	names := []string{
		"河南省教科文卫体工会", "河南省财贸轻纺烟草工会", "河南省国防机械电子工会",
		"河南省能源化工工会", "河南省交通建设工会", "河南省农林水利气象工会",
		"河南省金融工会", "河南省邮政工会", "河南省电力工会", "河南省通信工会",
		"中国铁路郑州局集团有限公司工会", "河南省民航工会",
	}
	out := make([]Union, 0, len(names)+1)
	for _, n := range names {
		out = append(out, Union{Kind: Industry, Name: n})
	}
	return append(out, Union{Kind: Direct, Name: "河南省省直机关工会"})
}

// SeedHenan inserts the province, its cities, counties and zones, the industry
// unions and the province-direct union, and returns the territorial unions' ids
// by division. A directly administered county hangs under the province. Unions
// already there stay as they are, so seeding twice changes nothing. It takes a
// lock on the table, so that two starts at once do not race. The caller writes
// the event and the change feed rows.
func SeedHenan(ctx context.Context, tx pgx.Tx) (map[int32]int64, error) {
	if _, err := tx.Exec(ctx, `LOCK TABLE unions IN SHARE ROW EXCLUSIVE MODE`); err != nil {
		return nil, fmt.Errorf("union.SeedHenan: lock: %w", err)
	}
	there, err := query(ctx, tx, `SELECT `+unionColumns+` FROM unions WHERE kind <> 'grassroots'`)
	if err != nil {
		return nil, fmt.Errorf("union.SeedHenan: read: %w", err)
	}
	byDivision := make(map[int32]*Union, len(there))
	byName := make(map[string]bool, len(there))
	for i := range there {
		byName[there[i].Name] = true
		if there[i].Division != 0 {
			byDivision[there[i].Division] = &there[i]
		}
	}
	var missing []*Union
	var province *Union
	for _, d := range Divisions() {
		u := byDivision[d.Code]
		if u == nil {
			u = &Union{Kind: d.Kind, Name: d.Name + "总工会", Division: d.Code, DirectCounty: d.Direct, Zone: d.Zone}
			byDivision[d.Code] = u
			missing = append(missing, u)
		}
		if d.Kind == Province {
			province = u
		}
	}
	parents := parentsOf(byDivision, province)
	for _, u := range industries() {
		if !byName[u.Name] {
			missing = append(missing, &u)
			parents[&u] = province
		}
	}
	if err := insertAll(ctx, tx, missing, parents); err != nil {
		return nil, fmt.Errorf("union.SeedHenan: %w", err)
	}
	ids := make(map[int32]int64, len(byDivision))
	for code, u := range byDivision {
		ids[code] = u.ID
	}
	return ids, nil
}

// parentsOf says whom each division's union answers to.
func parentsOf(byDivision map[int32]*Union, province *Union) map[*Union]*Union {
	parents := make(map[*Union]*Union, len(byDivision))
	for _, d := range Divisions() {
		switch {
		case d.Kind == Province:
		case d.Direct:
			parents[byDivision[d.Code]] = province
		default:
			parents[byDivision[d.Code]] = byDivision[d.Parent]
		}
	}
	return parents
}

func insertAll(ctx context.Context, tx pgx.Tx, unions []*Union, parents map[*Union]*Union) error {
	rows, err := tx.Query(ctx, `SELECT nextval(pg_get_serial_sequence('unions', 'id'))
		FROM generate_series(1, $1::integer)`, len(unions))
	if err != nil {
		return err
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return err
	}
	for i, u := range unions {
		u.ID = ids[i]
		if err := insert(ctx, tx, u, parents[u]); err != nil {
			return err
		}
	}
	return nil
}
