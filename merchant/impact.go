package merchant

import (
	"context"
	"crypto/sha256"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"unioncard/merchant/terms"
)

// Impact is what publishing a floor would lead to, found without publishing it.
type Impact struct {
	// Basis names the state of the contracts and floors that it was found on; it is
	// over once FloorBasis says another.
	Basis     string
	Contracts int // how many the floor would bind
	Compared  int // distinct comparisons that were made
	Below     []ImpactRow
}

// ImpactRow is a contract that the floor would leave below.
type ImpactRow struct {
	Below
	OfficeID int64
}

// FloorBasis is a digest of what an impact depends on: the floors of the trade or
// brand, and every contract that they bind, by its version.
func FloorBasis(ctx context.Context, db DB, trade Trade, brand string) (basis string, err error) {
	err = db.QueryRow(ctx, `SELECT format('%s.%s.%s', coalesce((SELECT max(version) FROM floors
			WHERE trade IS NOT DISTINCT FROM nullif($1, '') AND brand IS NOT DISTINCT FROM nullif($2, '')), 0), count(*), sum(version))
		FROM contracts WHERE (trade = nullif($1, '') OR brand = nullif($2, '')) AND status <> 'draft'`, trade, brand).Scan(&basis)
	if err != nil {
		return "", fmt.Errorf("merchant.FloorBasis: %w", err)
	}
	return basis, nil
}

// FloorImpact finds every contract that a floor would leave below, as PublishFloor
// would, without publishing it. Equal Terms over an equal time are compared once,
// on all processors. progress hears, from any goroutine, how many comparisons of
// how many are done. It takes no lock and changes nothing; terms.ErrInvalid,
// InvalidError.
func (s *Store) FloorImpact(ctx context.Context, n NewFloor, progress func(done, total int)) (*Impact, error) {
	p, err := parseTerms(n.Terms)
	if err != nil {
		return nil, err
	}
	if err := checkUnfunded(p.doc); err != nil {
		return nil, err
	}
	effective := latest(n.Effective.Truncate(time.Microsecond), s.now())
	bound := version{Bound: Bound{Trade: n.Trade, Brand: n.Brand}, Doc: p.doc, from: effective, until: far}
	out := &Impact{}
	// The basis first: what changes meanwhile makes the impact stale, never unseen.
	if out.Basis, err = FloorBasis(ctx, s.db, n.Trade, n.Brand); err != nil {
		return nil, err
	}
	contracts, versions, err := readImpact(ctx, s.db, bound)
	if err != nil {
		return nil, err
	}
	sheet, err := readSheet(ctx, s.db, bound)
	if err != nil {
		return nil, err
	}
	for _, c := range contracts {
		for _, v := range versions[c.ID] {
			sheet.ask(v, period{c.ValidFrom, c.ValidUntil})
		}
	}
	if err := sheet.answer(ctx, p.form, progress); err != nil {
		return nil, err
	}
	out.Contracts, out.Compared = len(contracts), len(sheet.questions)
	for _, c := range contracts {
		b, below, err := belowBound(period{c.ValidFrom, c.ValidUntil}, versions[c.ID], bound, sheet.look)
		if err != nil {
			return nil, err
		}
		if !below {
			continue
		}
		if b.Lifted = c.FloorClause; !b.Lifted {
			b.Deadline = effective.AddDate(0, 0, n.DeadlineDays)
		}
		out.Below = append(out.Below, ImpactRow{b, c.OfficeID})
	}
	return out, nil
}

// boundSQL is the contracts that a floor from $3 binds, as lockBound has it.
const boundSQL = ` (c.trade = nullif($1, '') OR c.brand = nullif($2, '')) AND c.status IN ('active', 'suspended', 'ending')
	AND upper(c.valid) > $3`

// readImpact reads the contracts that a floor would bind and, without the Terms
// themselves, their versions.
func readImpact(ctx context.Context, db DB, bound version) ([]*Contract, map[int64][]version, error) {
	args := []any{bound.Bound.Trade, bound.Bound.Brand, bound.from}
	rows, err := db.Query(ctx, contractSQL+` c WHERE`+boundSQL+` ORDER BY id`, args...)
	if err != nil {
		return nil, nil, fmt.Errorf("merchant: bound contracts: %w", err)
	}
	contracts, err := pgx.CollectRows(rows, scanContract)
	if err != nil {
		return nil, nil, fmt.Errorf("merchant: bound contracts: %w", err)
	}
	rows, err = db.Query(ctx, `SELECT t.contract_id, t.version, t.sha256, lower(t.effective), upper(t.effective)
		FROM contract_terms t JOIN contracts c ON c.id = t.contract_id WHERE`+boundSQL+
		` AND (upper_inf(t.effective) OR upper(t.effective) > $3)`, args...)
	if err != nil {
		return nil, nil, fmt.Errorf("merchant: versions: %w", err)
	}
	versions := map[int64][]version{}
	var v version
	var sum []byte
	var until *time.Time
	_, err = pgx.ForEachRow(rows, []any{&v.Bound.ContractID, &v.Bound.Version, &sum, &v.from, &until}, func() error {
		n := v
		n.sum, n.until = string(sum), far
		if until != nil {
			n.until = *until
		}
		versions[n.Bound.ContractID] = append(versions[n.Bound.ContractID], n)
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("merchant: versions: %w", err)
	}
	return contracts, versions, nil
}

// question is a comparison to make: of Terms by their hash over a time, which is
// left out where it makes no difference.
type question struct {
	sum         string
	from, until int64 // microseconds of the Unix epoch
}

// sheet holds the distinct comparisons of an impact.
type sheet struct {
	bound     version
	timeless  bool // of the bound
	docs      map[string]*terms.Terms
	fixed     map[string]bool // the Terms without a calendar
	index     map[question]int
	questions []question
	answers   []terms.Comparison
}

// readSheet reads the distinct Terms of the contracts that a floor would bind.
func readSheet(ctx context.Context, db DB, bound version) (*sheet, error) {
	s := &sheet{bound: bound, timeless: bound.timeless(), docs: map[string]*terms.Terms{}, fixed: map[string]bool{},
		index: map[question]int{}}
	rows, err := db.Query(ctx, `SELECT DISTINCT ON (t.sha256) t.sha256, t.terms
		FROM contract_terms t JOIN contracts c ON c.id = t.contract_id WHERE`+boundSQL+
		` AND (upper_inf(t.effective) OR upper(t.effective) > $3) ORDER BY t.sha256`,
		bound.Bound.Trade, bound.Bound.Brand, bound.from)
	if err != nil {
		return nil, fmt.Errorf("merchant: distinct terms: %w", err)
	}
	var sum, doc []byte
	_, err = pgx.ForEachRow(rows, []any{&sum, &doc}, func() error {
		t, err := terms.Parse(doc)
		if err != nil {
			return fmt.Errorf("stored terms %x: %w", sum, err)
		}
		s.docs[string(sum)], s.fixed[string(sum)] = t, version{Doc: t}.timeless()
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("merchant: distinct terms: %w", err)
	}
	return s, nil
}

func (s *sheet) question(v version, p period) question {
	q := question{sum: v.sum}
	if !s.timeless || !s.fixed[v.sum] {
		q.from, q.until = p.from.UnixMicro(), p.until.UnixMicro()
	}
	return q
}

// ask notes the comparison of a version that belowBound will look for.
func (s *sheet) ask(v version, valid period) {
	both, ok := v.period().intersect(valid)
	if ok {
		both, ok = both.intersect(s.bound.period())
	}
	if !ok {
		return
	}
	q := s.question(v, both)
	if _, known := s.index[q]; !known {
		s.index[q] = len(s.questions)
		s.questions = append(s.questions, q)
	}
}

// look returns a comparison made before.
func (s *sheet) look(v version, p period) (terms.Comparison, error) {
	i, ok := s.index[s.question(v, p)]
	if !ok { // the Terms were published after the contracts were read
		return terms.Comparison{Verdict: terms.NotWorse}, nil
	}
	return s.answers[i], nil
}

// answer makes every comparison.
func (s *sheet) answer(ctx context.Context, floor *terms.Compiled, progress func(done, total int)) error {
	s.answers = make([]terms.Comparison, len(s.questions))
	var next, done atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	for range runtime.GOMAXPROCS(0) {
		g.Go(func() error {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(s.questions) {
					return nil
				}
				if err := ctx.Err(); err != nil {
					return err
				}
				if err := s.compare(i, floor); err != nil {
					return err
				}
				progress(int(done.Add(1)), len(s.questions))
			}
		})
	}
	return g.Wait()
}

func (s *sheet) compare(i int, floor *terms.Compiled) error {
	q := s.questions[i]
	doc, ok := s.docs[q.sum]
	if !ok { // published after the distinct Terms were read
		s.answers[i].Verdict = terms.NotWorse
		return nil
	}
	local, err := doc.Compile()
	if err != nil {
		return fmt.Errorf("merchant: stored terms %x: %w", q.sum, err)
	}
	p := s.bound.period()
	if q.from != 0 || q.until != 0 {
		p = period{time.UnixMicro(q.from), time.UnixMicro(q.until)}
	}
	s.answers[i] = compareWithin(local, floor, p)
	return nil
}

// TermsSum is the SHA-256 of the canonical JSON of Terms, as PublishTerms stores
// it; terms.ErrInvalid.
func TermsSum(doc []byte) (sum [sha256.Size]byte, err error) {
	p, err := parseTerms(doc)
	if err != nil {
		return sum, err
	}
	return p.sum, nil
}
