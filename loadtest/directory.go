package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/loadtest/drive"
	"unioncard/loadtest/proc"
	"unioncard/loadtest/ratio"
	"unioncard/loadtest/till"
	"unioncard/loadtest/wire"
)

// searchP99 is the public directory's search at 100,000 outlets against a bare gin
// handler, each at half of its own peak.
var searchP99 = ratio.Target{Name: "directory-search-p99/gin-json", Bound: ratio.AtMost, Want: 5}

const (
	directoryOutlets = 100_000
	searchesKept     = 4096 // different searches, dealt in turn
)

// directory fills a database with outlets, starts our service and the bare baseline,
// and compares their latencies.
func (b *benchmark) directory(ctx context.Context) error {
	dir := filepath.Join(b.dir, "directory")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	pg, err := proc.StartPostgres(ctx, dir)
	if err != nil {
		return err
	}
	defer pg.Stop()
	addr, stop, err := b.listedService(ctx, dir, pg.URL())
	if err != nil {
		return err
	}
	defer stop()
	bare, err := proc.Start(dir, "baseline-bare", 0, b.opt.baseline, "bare")
	if err != nil {
		return err
	}
	defer bare.Stop(syscall.SIGTERM)
	bareAddr, err := bare.Address(ctx)
	if err != nil {
		return err
	}
	return b.searchRounds(ctx, addr, bareAddr)
}

// listedService starts our service over a database of outlets, all listed.
func (b *benchmark) listedService(ctx context.Context, dir, dsn string) (addr string, stop func(), err error) {
	program, err := exec.LookPath(b.opt.unioncard)
	if err != nil {
		return "", nil, fmt.Errorf("the unioncard program: %w", err)
	}
	keys := filepath.Join(dir, "keyring.json")
	for _, args := range [][]string{{"migrate", "--database-url", dsn}, {"keyring", "init", "--keyring-file", keys}} {
		if out, err := exec.CommandContext(ctx, program, args...).CombinedOutput(); err != nil {
			return "", nil, fmt.Errorf("unioncard %s: %w: %s", args[0], err, out)
		}
	}
	if err := fillDirectory(ctx, dsn); err != nil {
		return "", nil, err
	}
	addr, err = proc.FreeAddress()
	if err != nil {
		return "", nil, err
	}
	admin, err := proc.FreeAddress()
	if err != nil {
		return "", nil, err
	}
	p, err := proc.Start(dir, "unioncard", 0, program, "serve", "--database-url", dsn, "--keyring-file", keys,
		"--listen", addr, "--admin-listen", admin, "--public-url", "http://"+addr, "--log-level", "warn")
	if err != nil {
		return "", nil, err
	}
	stop = func() { p.Stop(syscall.SIGTERM) }
	bounded, cancel := context.WithTimeout(ctx, startupLimit)
	defer cancel()
	if err := p.Ready(bounded, "http://"+admin+"/readyz"); err != nil {
		stop()
		return "", nil, err
	}
	return addr, stop, nil
}

// fillSQL makes a province with 18 cities of 8 counties, merchants with two or three
// outlets each, spread round the cities' centres, and 250 different Terms.
var fillSQL = []string{
	`INSERT INTO unions (id, kind, name, path, division, territory) VALUES (1, 'province', '河南省总工会', '/1/', 410000, 410000)`,
	`INSERT INTO merchants (id, office_id, name, brand, trade) SELECT m, 1,
		(ARRAY['老郑州','好再来','福满堂','豫香','黄河','嵩山','洛水','伏牛','龙亭','大河'])[1 + m % 10] || m ||
		(ARRAY['烩面馆','火锅店','旅行社','加油站','大药房','影城','书店','超市','健身房'])[1 + m % 9],
		CASE WHEN m % 50 = 0 THEN '品牌' || m / 50 ELSE '' END,
		(ARRAY['travel','catering','transport','health','leisure','shopping'])[1 + m % 6]
		FROM generate_series(1, $1::int * 2 / 5) m`,
	`INSERT INTO outlets (id, merchant_id, name, address, territory, lon, lat) SELECT o, 1 + (o * 2 / 5) % ($1::int * 2 / 5),
		(ARRAY['花园路','建设路','中原路','人民路','文化路','解放路','新华街','和平街'])[1 + o % 8] || o % 300 || '店',
		(ARRAY['金水','二七','管城','惠济','中牟','新密','巩义','荥阳'])[1 + o % 8] || '区第' || o % 997 || '大街' || o % 401 || '号',
		410000 + 100 * (1 + o % 18) + 2 + o / 18 % 8,
		112.5 + (o % 18) * 0.2 + (hashint4(o) % 1000) / 4000.0, 33 + (o % 18) * 0.15 + (hashint4(o + 1) % 1000) / 4000.0
		FROM generate_series(1, $1::int) o`,
	`INSERT INTO contracts (id, merchant_id, office_id, trade, brand, status, valid, refund_until)
		SELECT id, id, 1, trade, brand, 'active', tstzrange(now() - interval '1 day', now() + interval '1 year'), now() + interval '2 years' FROM merchants`,
	`INSERT INTO contract_outlets SELECT c.id, o.id, c.valid FROM outlets o JOIN contracts c ON c.merchant_id = o.merchant_id`,
	`INSERT INTO contract_terms (contract_id, version, terms, sha256, effective, published_by)
		SELECT id, 1, doc::jsonb, sha256(doc::bytea), tstzrange(lower(valid), NULL), 'loadtest' FROM contracts,
		LATERAL (SELECT format('{"v":1,"offers":[{"id":"off","title":"会员%s折","benefit":{"kind":"percent","rate_bp":%s},"funding_bp":10000}]}',
			5 + id % 250 / 60.0, 5000 + id % 250 * 10) AS doc) d`,
}

func fillDirectory(ctx context.Context, dsn string) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	for _, sql := range fillSQL {
		var args []any
		if strings.Contains(sql, "$1") {
			args = append(args, directoryOutlets)
		}
		if _, err := conn.Exec(ctx, sql, args...); err != nil {
			return fmt.Errorf("fill the directory: %w", err)
		}
	}
	_, err = conn.Exec(ctx, `ANALYZE`)
	return err
}

// searches sends searches as people and maps make them, each connection beginning
// elsewhere.
type searches struct {
	requests [][]byte
	next     []int
}

func newSearches(host string, conns int) *searches {
	rng := rand.New(rand.NewPCG(poissonSeed, poissonSeed))
	pick := func(from ...string) string { return from[rng.IntN(len(from))] }
	city := func() string { return fmt.Sprint(410000 + 100*(1+rng.IntN(18))) }
	s := &searches{next: make([]int, conns)}
	for i := range searchesKept {
		q := url.Values{}
		switch i % 8 {
		case 0:
			q.Set("q", pick("火锅", "烩面", "加油", "药房", "影城", "书店"))
		case 1:
			q.Set("q", pick("花园路", "建设路", "好再来", "老郑州", "大河", "和平街")+" "+pick("火锅店", "超市", "烩面馆", "大药房"))
			q.Set("city", city())
		case 2:
			q.Set("q", fmt.Sprint(rng.IntN(40000))) // digits, of a name or an address
		case 3:
			q.Set("city", city())
			q.Set("trade", pick("catering", "shopping", "health"))
		case 4, 5:
			q.Set("lon", fmt.Sprint(112.5+rng.Float64()*3.6))
			q.Set("lat", fmt.Sprint(33+rng.Float64()*2.7))
			if i%8 == 5 {
				q.Set("trade", "catering")
				q.Set("radius", "20000")
			}
		case 6:
			q.Set("brand", fmt.Sprint("品牌", rng.IntN(800)))
		case 7:
			q.Set("q", pick("没有这样的店", "龙门石窟", "店", "路", "金水区第7大街"))
			q.Set("trade", pick("leisure", "travel"))
		}
		s.requests = append(s.requests, wire.AppendRequest(nil, "GET", "/open/v1/outlets?"+q.Encode(), host, nil, nil))
	}
	for i := range s.next {
		s.next[i] = rng.IntN(len(s.requests))
	}
	return s
}

// Request implements drive.Source.
func (s *searches) Request(dst []byte, conn int) ([]byte, bool) {
	s.next[conn] = (s.next[conn] + 1) % len(s.requests)
	return append(dst, s.requests[s.next[conn]]...), true
}

// Answer implements drive.Source.
func (s *searches) Answer(_ int, a wire.Answer, _ time.Duration) bool { return a.Status == 200 }

// searchRounds finds each side's peak and then compares p99 at half of it.
func (b *benchmark) searchRounds(ctx context.Context, ours, bare string) error {
	bareSource := func() (drive.Source, error) {
		stands := make([]till.Stand, b.opt.conns)
		for i := range stands {
			stands[i] = till.Stand{Codes: []string{fmt.Sprintf("41%018d", i)}}
		}
		return till.NewVerifications(bare, stands)
	}
	searchSource := func() (drive.Source, error) { return newSearches(ours, b.opt.conns), nil }
	run := func(name, addr string, source func() (drive.Source, error), schedule func() drive.Schedule, value func(drive.Result) float64) phase {
		return phase{name, func() (float64, error) {
			src, err := source()
			if err != nil {
				return 0, err
			}
			var at drive.Schedule
			if schedule != nil {
				at = schedule()
			}
			res, err := b.measure(name, addr, at, src)
			return value(res), err
		}}
	}
	err := b.interleave(ctx, []phase{
		run("search", ours, searchSource, nil, drive.Result.Rate),
		run("gin-json-beside-search", bare, bareSource, nil, drive.Result.Rate),
	})
	if err != nil {
		return err
	}
	half := func(peak string) func() drive.Schedule {
		return func() drive.Schedule { return drive.Poisson(ratio.Median(b.series[peak])/2, poissonSeed) }
	}
	p99 := func(r drive.Result) float64 {
		if r.Latency == nil {
			return 0
		}
		return float64(r.Quantile(99).Microseconds())
	}
	err = b.interleave(ctx, []phase{
		run("search-p99-us", ours, searchSource, half("search"), p99),
		run("gin-json-beside-search-p99-us", bare, bareSource, half("gin-json-beside-search"), p99),
	})
	if err != nil {
		return err
	}
	return b.compare(searchP99, "search-p99-us", "gin-json-beside-search-p99-us")
}
