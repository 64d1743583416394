package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"unioncard/loadtest/drive"
	"unioncard/loadtest/proc"
	"unioncard/loadtest/till"
	"unioncard/loadtest/wire"
)

// field is everything that is measured against each other, up and running.
type field struct {
	service   *service
	stands    []till.Stand // tokens and baskets; codes are dealt per phase
	buyers    []till.Stand // the same for purchases, which take more tills to fill batches
	pool      *pool
	baselines map[string]string // address by name
	stops     []func()
}

func (f *field) stop() {
	for i := len(f.stops) - 1; i >= 0; i-- {
		f.stops[i]()
	}
}

// build starts our service, its tills, and the baselines with their databases.
func (b *benchmark) build(ctx context.Context) (*field, error) {
	f := &field{baselines: map[string]string{}}
	err := b.buildService(ctx, f)
	if err == nil {
		err = b.buildBaselines(ctx, f)
	}
	if err != nil {
		f.stop()
		return nil, err
	}
	return f, nil
}

func (b *benchmark) buildService(ctx context.Context, f *field) error {
	s, err := newService(b.opt.unioncard, b.dir, nil)
	if err != nil {
		return err
	}
	if err := s.start(ctx); err != nil {
		return err
	}
	f.service = s
	f.stops = append(f.stops, s.stop)
	tills, err := activate(ctx, s.cli(), s.base(), max(b.opt.conns, b.opt.purchaseConns))
	if err != nil {
		return err
	}
	for _, id := range tills {
		token, err := id.Token(ctx)
		if err != nil {
			return err
		}
		f.buyers = append(f.buyers, till.Stand{Token: token, Basket: till.FiveLines(id.Outlet.Basket)})
	}
	f.stands, f.buyers = f.buyers[:b.opt.conns], f.buyers[:b.opt.purchaseConns]
	f.pool = newPool(s.cli())
	return nil
}

// buildBaselines gives the baselines one of our own answers to encode, so that both
// sides send the same bodies.
func (b *benchmark) buildBaselines(ctx context.Context, f *field) error {
	sample, err := f.sample(ctx)
	if err != nil {
		return err
	}
	answer := filepath.Join(b.dir, "answer.json")
	if err := os.WriteFile(answer, sample, 0o644); err != nil {
		return err
	}
	pg, err := proc.StartPostgres(ctx, b.dir)
	if err != nil {
		return err
	}
	f.stops = append(f.stops, pg.Stop)
	redis, redisAddr, err := proc.StartRedis(ctx, b.dir)
	if err != nil {
		return err
	}
	f.stops = append(f.stops, func() { redis.Stop(syscall.SIGTERM) })
	for name, args := range map[string][]string{
		"bare":   {"-answer", answer},
		"redis":  {"-answer", answer, "-redis", redisAddr},
		"select": {"-answer", answer, "-postgres", pg.DSN(), "-pool", fmt.Sprint(b.opt.selectPool)},
		"insert": {"-postgres", pg.DSN(), "-pool", fmt.Sprint(b.opt.insertPool)},
	} {
		p, err := proc.Start(b.dir, "baseline-"+name, 0, b.opt.baseline, append([]string{name}, args...)...)
		if err != nil {
			return err
		}
		f.stops = append(f.stops, func() { p.Stop(syscall.SIGTERM) })
		if f.baselines[name], err = p.Address(ctx); err != nil {
			return err
		}
	}
	return f.checkSample(len(sample))
}

// sample is an answer of our service to a verification with a 5-line basket.
func (f *field) sample(ctx context.Context) ([]byte, error) {
	stands, err := f.deal(ctx, 1)
	if err != nil {
		return nil, err
	}
	return ask(f.service.listen, stands[0])
}

// ask sends one verification.
func ask(addr string, stand till.Stand) ([]byte, error) {
	c, err := wire.Dial(addr, drivePatience)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	body := till.AppendVerification(nil, stand.Codes[0], stand.Basket)
	a, err := c.Do(wire.AppendRequest(nil, "POST", "/v1/verifications", addr, []wire.Header{till.Bearer(stand.Token)}, body), drivePatience)
	if err != nil {
		return nil, err
	}
	if a.Status != 200 {
		return nil, fmt.Errorf("verification answered %d: %s", a.Status, a.Body)
	}
	return append([]byte(nil), a.Body...), nil
}

// checkSample makes sure that the bare baseline answers with as much as we do.
func (f *field) checkSample(ours int) error {
	stand := f.stands[0]
	stand.Codes = []string{"41000000000000000000"}
	body, err := ask(f.baselines["bare"], stand)
	if err != nil {
		return err
	}
	if len(body)*20 < ours*19 || len(body)*19 > ours*20 {
		return fmt.Errorf("the bare baseline answers %d bytes, we %d: not the same bodies", len(body), ours)
	}
	return nil
}

// deal returns the stands with n fresh codes each.
func (f *field) deal(ctx context.Context, n int) ([]till.Stand, error) {
	return f.dealTo(ctx, f.stands, n)
}

func (f *field) dealTo(ctx context.Context, to []till.Stand, n int) ([]till.Stand, error) {
	codes, err := f.pool.take(ctx, n*len(to))
	if err != nil {
		return nil, err
	}
	stands := make([]till.Stand, len(to))
	for i, s := range to {
		s.Codes = codes[i*n : (i+1)*n]
		stands[i] = s
	}
	return stands, nil
}

// measure runs one phase; a phase with too many errors voids the bench.
func (b *benchmark) measure(what, addr string, schedule drive.Schedule, src drive.Source) (drive.Result, error) {
	return b.measureOver(b.opt.conns, what, addr, schedule, src)
}

func (b *benchmark) measureOver(conns int, what, addr string, schedule drive.Schedule, src drive.Source) (drive.Result, error) {
	res, err := drive.Run(drive.Options{Addr: addr, Conns: conns, Duration: b.opt.phase, Schedule: schedule}, src)
	if err == nil {
		err = res.Valid()
	}
	if err != nil {
		return res, fmt.Errorf("%s: %w", what, err)
	}
	return res, nil
}
