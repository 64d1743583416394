package voucher

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card/sheet"
	"unioncard/merchant"
	"unioncard/settlement/budget"
)

// MaxGrant is how many cards one list, or one union, may be granted packs at once.
const MaxGrant = 100_000

// maxFaults is how many faulty rows are told one by one.
const maxFaults = 100

// Granted is what granting did, or would do.
type Granted struct {
	Rows    int // in the list, or active cards of the union
	Granted int // packs given
	Already int // cards that had one
	Faults  int // rows that are no card that can be granted anything
	// First are the first faults, in the order of the list.
	First []GrantFault
}

// GrantFault is a row that nothing can be granted by, and why.
type GrantFault struct {
	Row     int // as the clerk's program counts
	Message string
}

func (g *Granted) fault(row int, message string) {
	if g.Faults++; len(g.First) < maxFaults {
		g.First = append(g.First, GrantFault{row, message})
	}
}

// listed is a row of a list with a number in it.
type listed struct {
	row    int
	number int64
}

// readNumbers reads the card numbers of a table: of the column headed 卡号, else of
// the first.
func readNumbers(r sheet.Reader, g *Granted) ([]listed, error) {
	var out []listed
	column := -1
	for {
		row, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		if column < 0 {
			column = slices.IndexFunc(row.Cells, func(c sheet.Cell) bool { return strings.Contains(c.Text, "卡号") })
			if column >= 0 {
				continue
			}
			column = 0
		}
		g.Rows++
		cell := row.Cell(column)
		text := strings.NewReplacer(" ", "", "-", "").Replace(cell.Text)
		number, err := strconv.ParseInt(text, 10, 64)
		switch {
		case row.Fault != sheet.NoFault:
			g.fault(row.Number, "这一行读不出来，请检查后重新填写")
		case cell.Kind == sheet.Formula || cell.Kind == sheet.Broken:
			g.fault(row.Number, "卡号是公式，请改成文字")
		case cell.Kind == sheet.Number && len(text) > 15:
			g.fault(row.Number, "卡号的末位已被表格软件丢掉，请把这一列设为文本后重新填写")
		case len(text) != 16 || err != nil || number < 0:
			g.fault(row.Number, "不是 16 位卡号")
		default:
			out = append(out, listed{row.Number, number})
		}
	}
}

// GrantList gives a pack to each card in a table of card numbers (CSV or XLSX). Rows
// at fault are told and left out; a card that has a pack is left as it is, so the same
// list twice gives nothing twice. Only members of the office's own territory can be
// granted anything: other cards read as unknown. With dry nothing is given.
//
// *sheet.Error for a file that can't be read; merchant.FieldErrors on "list" for one
// with too many rows, or more cards than packs are left; on "series" for one that is
// not open; merchant.ErrNotFound.
func (s *Store) GrantList(ctx context.Context, by merchant.By, series int64, file io.ReaderAt, size int64, dry bool) (*Granted, error) {
	limits := sheet.DefaultLimits()
	limits.Bytes, limits.Rows = 32<<20, MaxGrant
	r, err := sheet.Open(file, size, limits)
	if err != nil {
		return nil, err
	}
	var g Granted
	rows, err := readNumbers(r, &g)
	if err != nil {
		return nil, err
	}
	err = s.change(ctx, func(tx pgx.Tx) error {
		t := g // a second try starts from what the file said
		t.First = slices.Clone(g.First)
		err := s.grantNumbers(ctx, tx, by, series, rows, &t, dry)
		if err == nil || errors.Is(err, errDry) {
			g = t
		}
		return err
	})
	if errors.Is(err, errDry) {
		err = nil
	}
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(g.First, func(a, b GrantFault) int { return a.Row - b.Row })
	return &g, nil
}

// errDry rolls a transaction back that only looked.
var errDry = errors.New("voucher: only looked")

func (s *Store) grantNumbers(ctx context.Context, tx pgx.Tx, by merchant.By, series int64, rows []listed, g *Granted, dry bool) error {
	o, err := lockForGrant(ctx, tx, series)
	if err != nil {
		return err
	}
	numbers := make([]int64, len(rows))
	for i, r := range rows {
		numbers[i] = r.number
	}
	// ordinal by ordinal, so that faults can be told by their rows
	found, err := tx.Query(ctx, `SELECT n.i, coalesce(c.serial, 0), coalesce(c.status = 1 AND c.valid_until >= (clock_timestamp() AT TIME ZONE 'Asia/Shanghai')::date, false),
			EXISTS (SELECT FROM cards o JOIN vouchers v ON v.card_serial = o.serial WHERE o.member_id = c.member_id AND v.series_id = $2)
		FROM unnest($1::bigint[]) WITH ORDINALITY n(number, i)
		LEFT JOIN card_numbers k ON k.number = n.number AND k.retired_at IS NULL
		LEFT JOIN (cards c JOIN members m ON m.id = c.member_id JOIN unions u ON u.id = m.union_id AND starts_with(u.path, $3)) ON c.serial = k.card_serial
		ORDER BY n.i`, numbers, series, o.path)
	if err != nil {
		return fmt.Errorf("voucher.GrantList: %w", err)
	}
	var i int
	var serial int64
	var usable, has bool
	var give []int64
	seen := map[int64]bool{}
	_, err = pgx.ForEachRow(found, []any{&i, &serial, &usable, &has}, func() error {
		switch row := rows[i-1].row; {
		case serial == 0:
			g.fault(row, "查无此卡，或不是本单位辖区的会员")
		case seen[serial]:
			g.fault(row, "与前面的行重复")
		case has:
			g.Already++
		case !usable:
			g.fault(row, "会员卡现在不能用（已挂失、停用、注销、未激活或到期）")
		default:
			give = append(give, serial)
		}
		seen[serial] = serial != 0
		return nil
	})
	if err != nil {
		return fmt.Errorf("voucher.GrantList: %w", err)
	}
	g.Granted = len(give)
	return s.grant(ctx, tx, by, series, o, g, give, dry, map[string]any{"by": "list"})
}

// GrantUnion gives a pack to every member with an active card at or below a union.
// The union has to lie in the territory of the series' office: merchant.ErrNotFound.
// Otherwise as GrantList, with errors on "union".
func (s *Store) GrantUnion(ctx context.Context, by merchant.By, series, unionID int64, dry bool) (*Granted, error) {
	var g Granted
	err := s.change(ctx, func(tx pgx.Tx) error {
		g = Granted{}
		o, err := lockForGrant(ctx, tx, series)
		if err != nil {
			return err
		}
		var path string
		err = tx.QueryRow(ctx, `SELECT path FROM unions WHERE id = $1 AND merged_into IS NULL AND starts_with(path, $2)`, unionID, o.path).Scan(&path)
		if errors.Is(err, pgx.ErrNoRows) {
			return merchant.ErrNotFound
		}
		if err != nil {
			return fmt.Errorf("voucher.GrantUnion: %w", err)
		}
		found, err := tx.Query(ctx, `SELECT c.serial,
				EXISTS (SELECT FROM cards o JOIN vouchers v ON v.card_serial = o.serial WHERE o.member_id = m.id AND v.series_id = $2)
			FROM unions u JOIN members m ON m.union_id = u.id AND m.status IN (1, 3) JOIN live_cards l ON l.member_id = m.id
			JOIN cards c ON c.serial = l.card_serial AND c.status = 1 AND c.valid_until >= (clock_timestamp() AT TIME ZONE 'Asia/Shanghai')::date
			WHERE u.path LIKE $1 || '%' LIMIT $3`, path, series, MaxGrant+1)
		if err != nil {
			return fmt.Errorf("voucher.GrantUnion: %w", err)
		}
		var give []int64
		var serial int64
		var has bool
		_, err = pgx.ForEachRow(found, []any{&serial, &has}, func() error {
			if g.Rows++; has {
				g.Already++
			} else {
				give = append(give, serial)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("voucher.GrantUnion: %w", err)
		}
		if g.Rows > MaxGrant {
			return merchant.FieldErrors{{Field: "union", Message: fmt.Sprintf("这个工会超过 %d 张会员卡，请按下级工会分几次发放", MaxGrant)}}
		}
		g.Granted = len(give)
		return s.grant(ctx, tx, by, series, o, &g, give, dry, map[string]any{"by": "union", "union": unionID})
	})
	if errors.Is(err, errDry) {
		err = nil
	}
	if err != nil {
		return nil, err
	}
	return &g, nil
}

// grantOffer is a series that is to be granted, its row locked.
type grantOffer struct {
	path    string // of its office
	perPack int
	left    int // packs
}

// lockForGrant locks a series' row, which every giving out takes first.
func lockForGrant(ctx context.Context, tx pgx.Tx, series int64) (*grantOffer, error) {
	if err := lockSeries(ctx, tx, []int64{series}); err != nil {
		return nil, err
	}
	var o grantOffer
	var state budget.Status
	var over bool
	err := tx.QueryRow(ctx, `SELECT u.path, b.state, b.last_day < (clock_timestamp() AT TIME ZONE 'Asia/Shanghai')::date, s.per_pack, s.packs - s.claimed
		FROM voucher_series s JOIN budgets b ON b.id = s.budget_id JOIN unions u ON u.id = b.office_id
		WHERE s.budget_id = $1`, series).Scan(&o.path, &state, &over, &o.perPack, &o.left)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, merchant.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("voucher: read series: %w", err)
	}
	if state != budget.Open || over {
		return nil, merchant.FieldErrors{{Field: "series", Message: "这个消费券没有启用，或已冻结、结束，现在不能发放"}}
	}
	return &o, nil
}

// grant writes the packs of a list or a union.
func (s *Store) grant(ctx context.Context, tx pgx.Tx, by merchant.By, series int64, o *grantOffer, g *Granted, serials []int64, dry bool, facts map[string]any) error {
	if len(serials) > o.left {
		field := fmt.Sprint(facts["by"])
		return merchant.FieldErrors{{Field: field, Message: fmt.Sprintf("只剩 %d 份，要发 %d 份，一份也没有发。请减少名单", o.left, len(serials))}}
	}
	if dry {
		return errDry
	}
	var at time.Time
	if err := tx.QueryRow(ctx, `SELECT clock_timestamp()`).Scan(&at); err != nil {
		return fmt.Errorf("voucher: grant: %w", err)
	}
	if len(serials) > 0 {
		if err := giveTx(ctx, tx, series, o.perPack, serials, at); err != nil {
			return err
		}
	}
	facts["granted"], facts["already"], facts["faults"] = g.Granted, g.Already, g.Faults
	return s.tell(ctx, tx, by, "voucher.grant", series, facts, nil)
}

// Revoke takes the vouchers back that a card still holds of a series; used ones stay
// used. What they would have cost stays with the series. It returns how many it took.
// The card is named by its number and has to be of the office's territory:
// merchant.FieldErrors on "number". merchant.ErrNotFound.
func (s *Store) Revoke(ctx context.Context, by merchant.By, series, number int64) (n int64, err error) {
	err = s.change(ctx, func(tx pgx.Tx) error {
		var serial *int64
		err := tx.QueryRow(ctx, `SELECT (SELECT c.serial FROM card_numbers k JOIN cards c ON c.serial = k.card_serial JOIN members m ON m.id = c.member_id
				JOIN unions mu ON mu.id = m.union_id WHERE k.number = $2 AND k.retired_at IS NULL AND starts_with(mu.path, u.path))
			FROM budgets b JOIN unions u ON u.id = b.office_id WHERE b.id = $1 AND b.kind = 'series'`, series, number).Scan(&serial)
		if errors.Is(err, pgx.ErrNoRows) {
			return merchant.ErrNotFound
		}
		if err != nil {
			return fmt.Errorf("voucher.Revoke: %w", err)
		}
		if serial == nil {
			return merchant.FieldErrors{{Field: "number", Message: "查无此卡，或不是本单位辖区的会员"}}
		}
		tag, err := tx.Exec(ctx, `UPDATE vouchers SET state = 4 WHERE card_serial = $1 AND series_id = $2 AND state = 1`, *serial, series)
		if err != nil {
			return fmt.Errorf("voucher.Revoke: %w", err)
		}
		if n = tag.RowsAffected(); n == 0 {
			return merchant.FieldErrors{{Field: "number", Message: "这张卡没有还能用的券，不用收回"}}
		}
		return s.tell(ctx, tx, by, "voucher.revoke", series, map[string]any{"revoked": n, "card": *serial}, []int64{*serial})
	})
	return n, err
}
