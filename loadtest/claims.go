package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/loadtest/drive"
	"unioncard/loadtest/proc"
	"unioncard/loadtest/ratio"
	"unioncard/loadtest/wire"
)

// The targets of a flash claim, as the issue sets them.
var (
	claimsASecond  = ratio.Target{Name: "claims-a-second", Bound: ratio.AtLeast, Want: 5000}
	verifyMeantime = ratio.Target{Name: "verify-during-claims/verify", Bound: ratio.AtLeast, Want: 0.7}
	packsOversold  = ratio.Target{Name: "packs-oversold", Bound: ratio.AtMost, Want: 0}
)

// claimOptions are the flags of loadtest claims.
type claimOptions struct {
	unioncard             string
	members, packs, conns int
	verifyConns           int
	rate                  float64
	phase                 time.Duration
	keep                  bool
}

func claimFlags(args []string) (o claimOptions, err error) {
	fs := flag.NewFlagSet("loadtest claims", flag.ContinueOnError)
	fs.StringVar(&o.unioncard, "unioncard", "bin/unioncard", "our program")
	fs.IntVar(&o.members, "members", 100_000, "members who claim, at most the demo's 100,000")
	fs.IntVar(&o.packs, "packs", 12_500, "packs of four vouchers")
	fs.IntVar(&o.conns, "conns", 1000, "connections that claims come by")
	fs.IntVar(&o.verifyConns, "verify-conns", 64, "tills that verify meanwhile")
	fs.Float64Var(&o.rate, "rate", 5000, "claims a second while tills verify")
	fs.DurationVar(&o.phase, "phase", 5*time.Second, "length of a measurement of verifications alone")
	fs.BoolVar(&o.keep, "keep", false, "keep the working directory with data and logs")
	if err = fs.Parse(args); err == nil && (o.members < 1 || o.packs < 1 || o.packs > o.members || o.conns < 1 || o.verifyConns < 1 || o.rate <= 0) {
		err = errors.New("-members, -packs, -conns, -verify-conns and -rate must be above zero, and packs no more than members")
	}
	return o, err
}

// claims opens a series of packs to a crowd of members at once, twice: as fast as it
// goes, and at a rate while tills verify at full speed. Everybody claims until the
// answer is definite; the database is counted afterwards.
func claims(ctx context.Context, args []string) error {
	o, err := claimFlags(args)
	if err != nil {
		return err
	}
	dir, remove, err := workspace(o.keep)
	if err != nil {
		return err
	}
	defer remove()
	b := &benchmark{opt: benchOptions{unioncard: o.unioncard, conns: o.verifyConns, purchaseConns: o.verifyConns, phase: o.phase}, dir: dir, series: map[string][]float64{}}
	f := &field{}
	defer f.stop()
	if err := b.buildService(ctx, f); err != nil {
		return err
	}
	db, err := openDatabase(ctx, f.service.data)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close(context.WithoutCancel(ctx)) }()
	members, err := signIn(ctx, db, o.members)
	if err != nil {
		return err
	}
	c := &crowd{o: o, b: b, f: f, db: db, members: members}
	if err := c.alone(ctx); err != nil {
		return err
	}
	return c.beside(ctx)
}

// openDatabase connects to the private PostgreSQL of a data directory.
func openDatabase(ctx context.Context, data string) (*pgx.Conn, error) {
	pm, err := proc.FindPostmaster(data)
	if err != nil {
		return nil, err
	}
	return pgx.Connect(ctx, fmt.Sprintf("host=%s port=%s user=postgres dbname=unioncard", pm.SocketDir, pm.Port))
}

// phoneToken is what the phone of a member holds.
func phoneToken(member int64) string {
	raw := make([]byte, 32)
	copy(raw, "loadtest")
	binary.BigEndian.PutUint64(raw[24:], uint64(member))
	return base64.RawURLEncoding.EncodeToString(raw)
}

// signIn gives n members with an active card a session each.
func signIn(ctx context.Context, db *pgx.Conn, n int) ([]int64, error) {
	rows, err := db.Query(ctx, `SELECT m.id FROM members m JOIN live_cards l ON l.member_id = m.id JOIN cards c ON c.serial = l.card_serial
		WHERE m.status = 1 AND c.status = 1 AND c.valid_until >= current_date ORDER BY m.id LIMIT $1`, n)
	if err != nil {
		return nil, fmt.Errorf("members: %w", err)
	}
	members, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return nil, fmt.Errorf("members: %w", err)
	}
	hashes := make([][]byte, len(members))
	for i, m := range members {
		raw, err := base64.RawURLEncoding.DecodeString(phoneToken(m))
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(raw)
		hashes[i] = sum[:]
	}
	_, err = db.Exec(ctx, `INSERT INTO phone_sessions (hash, member_id, created_at, seen_at)
		SELECT h, m, now(), now() FROM unnest($1::bytea[], $2::bigint[]) u (h, m)`, hashes, members)
	if err != nil {
		return nil, fmt.Errorf("sessions: %w", err)
	}
	_, err = db.Exec(ctx, `ANALYZE phone_sessions`)
	return members, err
}

// crowd is one run of loadtest claims.
type crowd struct {
	o       claimOptions
	b       *benchmark
	f       *field
	db      *pgx.Conn
	members []int64
}

// open makes a series of 满50减40 whose claims are open from now on.
func (c *crowd) open(ctx context.Context, name string) (id int64, err error) {
	money := int64(c.o.packs) * 4 * 4000
	err = c.db.QueryRow(ctx, `WITH office AS (SELECT id FROM unions WHERE parent_id IS NULL),
		days AS (SELECT (now() AT TIME ZONE 'Asia/Shanghai')::date AS today),
		parent AS (INSERT INTO budgets (office_id, kind, name, state, first_day, last_day, amount_fen, allocated_fen)
			SELECT office.id, 'budget', $1, 'open', today, today + 30, $2, $2 FROM office, days RETURNING id),
		own AS (INSERT INTO budgets (office_id, parent_id, kind, name, state, first_day, last_day, amount_fen, granted_fen)
			SELECT office.id, parent.id, 'series', $1, 'open', today, today + 30, $2, $2 FROM office, days, parent RETURNING id),
		slice AS (INSERT INTO budget_slices (budget_id, slice, granted_fen) SELECT id, 0, $2 FROM own),
		fed AS (INSERT INTO changes (kind, object_id, version) SELECT 9, id, 1 FROM own)
		INSERT INTO voucher_series (budget_id, face_fen, need_fen, packs, per_pack, stackable, claim_from, claim_until)
		SELECT id, 4000, 5000, $3, 4, false, now() - interval '1 second', now() + interval '1 hour' FROM own RETURNING budget_id`,
		name, money, c.o.packs).Scan(&id)
	if err != nil {
		return 0, fmt.Errorf("series: %w", err)
	}
	return id, nil
}

// alone lets the crowd claim as fast as it goes.
func (c *crowd) alone(ctx context.Context) error {
	id, err := c.open(ctx, "loadtest alone")
	if err != nil {
		return err
	}
	src := newClaims(c.f.service.listen, id, c.members)
	began := time.Now()
	if _, err := c.drain(src, nil); err != nil {
		return err
	}
	took := time.Since(began)
	rate := float64(len(c.members)) / took.Seconds()
	fmt.Printf("%s   (%d members, %d requests in %.1f s)\n", claimsASecond.Line(rate), len(c.members), src.sent, took.Seconds())
	return c.count(ctx, id, src)
}

// beside lets the crowd claim at a rate while tills verify as fast as they can, and
// compares with what they verified before and after.
func (c *crowd) beside(ctx context.Context) error {
	verify := func(d time.Duration) (float64, error) {
		src, err := c.b.verifications(ctx, c.f, c.f.service.listen)
		if err != nil {
			return 0, err
		}
		res, err := drive.Run(drive.Options{Addr: c.f.service.listen, Conns: c.o.verifyConns, Duration: d}, src)
		if err == nil {
			err = res.Valid()
		}
		return res.Rate(), err
	}
	before, err := verify(c.o.phase)
	if err != nil {
		return fmt.Errorf("verifications alone: %w", err)
	}
	id, err := c.open(ctx, "loadtest beside")
	if err != nil {
		return err
	}
	// Codes are good for a minute: the crowd has to be through by then.
	during := time.Duration(float64(len(c.members))/c.o.rate*float64(time.Second)) - time.Second
	rate, failed := 0.0, make(chan error, 1)
	go func() {
		var err error
		rate, err = verify(during)
		failed <- err
	}()
	src := newClaims(c.f.service.listen, id, c.members)
	began := time.Now()
	res, err := c.drain(src, drive.Poisson(c.o.rate, poissonSeed))
	took := time.Since(began)
	if err := errors.Join(err, <-failed); err != nil {
		return fmt.Errorf("claims beside verifications: %w", err)
	}
	after, err := verify(c.o.phase)
	if err != nil {
		return fmt.Errorf("verifications alone: %w", err)
	}
	fmt.Printf("%s   (%.0f before, %.0f during, %.0f after; %d members in %.1f s, claims p50 %v p99 %v)\n",
		verifyMeantime.Line(rate/((before+after)/2)), before, rate, after, len(c.members), took.Seconds(),
		res.Quantile(50), res.Quantile(99))
	return c.count(ctx, id, src)
}

// drain sends claims until everybody has a definite answer, and returns what the
// first round measured.
func (c *crowd) drain(src *claimSource, schedule drive.Schedule) (first drive.Result, err error) {
	const rounds = 20 // after the first, what was told to come again
	for round := range rounds {
		if src.open() == 0 {
			return first, nil
		}
		src.next = 0
		res, err := drive.Run(drive.Options{Addr: c.f.service.listen, Conns: c.o.conns, Duration: time.Minute, Schedule: schedule}, src)
		if err != nil {
			return first, err
		}
		if round == 0 {
			first = res
		}
		schedule = nil
	}
	return first, fmt.Errorf("%d members have no definite answer after %d rounds; statuses %v, last %s", src.open(), rounds, src.status, src.bad)
}

// count holds the answers against the database.
func (c *crowd) count(ctx context.Context, id int64, src *claimSource) error {
	var claimed, cards, vouchers, over int
	err := c.db.QueryRow(ctx, `SELECT s.claimed, count(DISTINCT v.card_serial), count(v.no), greatest(count(DISTINCT v.card_serial) - s.packs, 0)
		FROM voucher_series s LEFT JOIN vouchers v ON v.series_id = s.budget_id WHERE s.budget_id = $1 GROUP BY s.claimed, s.packs`, id).
		Scan(&claimed, &cards, &vouchers, &over)
	if err != nil {
		return fmt.Errorf("count: %w", err)
	}
	fmt.Printf("%s   (%d told they have one, %d sold out, %d told to come again; %d vouchers of %d cards)\n",
		packsOversold.Line(float64(over)), src.won, src.lost, src.again, vouchers, cards)
	want := min(c.o.packs, len(c.members))
	if claimed != want || cards != want || vouchers != 4*want || src.won != want || src.lost != len(c.members)-want {
		return fmt.Errorf("the packs do not add up: %d counted, %d cards, %d vouchers, %d and %d answers; want %d packs", claimed, cards, vouchers, src.won, src.lost, want)
	}
	return nil
}

// claimSource sends one claim a member until each has a definite answer.
type claimSource struct {
	host    string
	body    []byte
	members []int64
	settled []bool
	next    int
	at      []int // by connection: the member whose answer is to come

	sent, won, lost, again int
	status                 map[int]int
	bad                    string
}

func newClaims(host string, series int64, members []int64) *claimSource {
	return &claimSource{host: host, body: fmt.Appendf(nil, `{"series":%d}`, series), members: members,
		settled: make([]bool, len(members)), at: make([]int, 1<<16), status: map[int]int{}}
}

// open is how many members have no definite answer.
func (s *claimSource) open() (n int) {
	for _, done := range s.settled {
		if !done {
			n++
		}
	}
	return n
}

// Request implements drive.Source.
func (s *claimSource) Request(dst []byte, conn int) ([]byte, bool) {
	for s.next < len(s.members) && s.settled[s.next] {
		s.next++
	}
	if s.next == len(s.members) {
		return dst, false
	}
	s.at[conn] = s.next
	s.next++
	s.sent++
	return wire.AppendRequest(dst, "POST", "/m/api/vouchers/claim", s.host,
		[]wire.Header{{Name: "Cookie", Value: phoneCookie + "=" + phoneToken(s.members[s.at[conn]])}}, s.body), true
}

// phoneCookie is the session's cookie without TLS.
const phoneCookie = "uc_member"

// Answer implements drive.Source.
func (s *claimSource) Answer(conn int, a wire.Answer, _ time.Duration) bool {
	s.status[a.Status]++
	switch {
	case a.Status == 200:
		s.settled[s.at[conn]] = true
		s.won++
	case a.Status == 409 && bytes.Contains(a.Body, []byte(`"claim_sold_out"`)):
		s.settled[s.at[conn]] = true
		s.lost++
	case a.Status == 503:
		s.again++
	default:
		if s.bad == "" {
			s.bad = string(a.Body)
			fmt.Fprintf(os.Stderr, "claim answered %d: %s\n", a.Status, a.Body)
		}
		return false
	}
	return true
}
