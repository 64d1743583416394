package drive

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"unioncard/loadtest/wire"
)

// fifo is a ring of idle connections: the one that has rested longest sends next,
// so that all tills take part even at a low rate.
type fifo struct {
	ring []int
	head int
	n    int
}

func (f *fifo) push(i int) { f.ring[(f.head+f.n)%len(f.ring)] = i; f.n++ }

func (f *fifo) pop() int {
	i := f.ring[f.head]
	f.head, f.n = (f.head+1)%len(f.ring), f.n-1
	return i
}

// loop is one run in progress. Times are since start.
type loop struct {
	opt   Options
	src   Source
	addr  unix.SockaddrInet4
	start time.Time
	epoll int
	timer int
	conns []conn
	idle  fifo
	res   Result

	next    time.Duration // open loop: intended time of the next arrival
	retired int           // connections that have nothing left to send

	closed    bool // answers are no longer counted (closed loop)
	endedAt   time.Duration
	stopped   bool // no new request is sent
	stoppedAt time.Duration
}

// Run drives the source against the server and returns what was measured. An error
// means that the run could not be carried out; use Result.Valid to judge answers.
func Run(opt Options, src Source) (Result, error) {
	if opt.Drain == 0 {
		opt.Drain = 10 * time.Second
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	l := &loop{opt: opt, src: src, res: Result{Latency: NewHistogram(), Status: map[int]int{}}}
	defer l.close()
	if err := l.open(); err != nil {
		return Result{}, err
	}
	if err := l.run(); err != nil {
		return Result{}, err
	}
	l.giveUp()
	l.res.Elapsed = l.endedAt
	return l.res, nil
}

func (l *loop) open() error {
	ap, err := netip.ParseAddrPort(l.opt.Addr)
	if err != nil || !ap.Addr().Is4() {
		return fmt.Errorf("drive: address %q is not an IPv4 address and port", l.opt.Addr)
	}
	l.addr = unix.SockaddrInet4{Port: int(ap.Port()), Addr: ap.Addr().As4()}
	if l.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return fmt.Errorf("drive: epoll: %w", err)
	}
	l.timer, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("drive: timer: %w", err)
	}
	ev := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET, Fd: -1}
	if err := unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, l.timer, &ev); err != nil {
		return fmt.Errorf("drive: timer: %w", err)
	}
	l.conns = make([]conn, l.opt.Conns)
	l.idle.ring = make([]int, l.opt.Conns)
	for i := range l.conns {
		l.conns[i].fd = -1
		if err := l.connect(i); err != nil {
			return err
		}
		l.idle.push(i)
	}
	return nil
}

func (l *loop) close() {
	for i := range l.conns {
		if l.conns[i].fd >= 0 {
			_ = unix.Close(l.conns[i].fd)
		}
	}
	if l.timer > 0 {
		_ = unix.Close(l.timer)
	}
	if l.epoll > 0 {
		_ = unix.Close(l.epoll)
	}
}

// since is the time since start.
func (l *loop) since() time.Duration { return time.Since(l.start) }

func (l *loop) run() error {
	l.start = time.Now()
	if l.opt.Schedule != nil {
		l.next = l.opt.Schedule.Next()
	}
	events := make([]unix.EpollEvent, 256)
	for {
		now := l.since()
		if err := l.send(now); err != nil {
			return err
		}
		if l.finished(now) {
			return nil
		}
		n, err := l.wait(events, now)
		if err != nil {
			return err
		}
		for _, ev := range events[:n] {
			if ev.Fd < 0 {
				continue
			}
			if err := l.serve(int(ev.Fd), ev.Events); err != nil {
				return err
			}
		}
	}
}

// send starts every request that is due while a connection is free.
func (l *loop) send(now time.Duration) error {
	if !l.stopped && l.opt.Schedule == nil && now >= l.opt.Duration {
		l.stop(l.opt.Duration)
	}
	for !l.stopped && l.idle.n > 0 {
		intended := now
		if l.opt.Schedule != nil {
			if l.next >= l.opt.Duration {
				l.stop(l.opt.Duration)
				return nil
			}
			if l.next > now {
				return nil
			}
			intended = l.next
		}
		i := l.idle.pop()
		c := &l.conns[i]
		var more bool
		if c.out, more = l.src.Request(c.out[:0], i); !more {
			l.retire(now)
			continue
		}
		if l.opt.Schedule != nil {
			l.next = l.opt.Schedule.Next()
		}
		c.sent, c.in, c.intended, c.busy = 0, c.in[:0], intended, true
		if err := l.write(i); err != nil {
			return err
		}
	}
	return nil
}

// end closes the measured time: from the first connection without work on, the
// others would be measured at a lower concurrency.
func (l *loop) end(at time.Duration) {
	if !l.closed {
		l.closed, l.endedAt = true, at
	}
}

func (l *loop) stop(at time.Duration) {
	l.end(at)
	l.stopped, l.stoppedAt = true, at
}

// retire takes a connection that has nothing left to send out of the game.
func (l *loop) retire(now time.Duration) {
	l.end(now)
	if l.retired++; l.retired == len(l.conns) {
		l.stop(now)
	}
}

// finished is true when nothing is outstanding any more or the drain time is over.
func (l *loop) finished(now time.Duration) bool {
	if !l.stopped {
		return l.opt.Schedule != nil && now >= l.opt.Duration+l.opt.Drain
	}
	return l.idle.n+l.retired == len(l.conns) || now >= l.stoppedAt+l.opt.Drain
}

// wait blocks until something can be read or written or the next send is due.
func (l *loop) wait(events []unix.EpollEvent, now time.Duration) (int, error) {
	wake := l.opt.Duration
	switch {
	case l.stopped:
		wake = l.stoppedAt + l.opt.Drain
	case l.opt.Schedule != nil && l.idle.n > 0:
		wake = min(l.next, l.opt.Duration)
	case l.opt.Schedule != nil:
		wake = l.opt.Duration + l.opt.Drain
	}
	n, err := unix.EpollWait(l.epoll, events, 0)
	if err == nil && n > 0 {
		return n, nil
	}
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(max(int64(wake-now), 1))}
	if err := unix.TimerfdSettime(l.timer, 0, &spec, nil); err != nil {
		return 0, fmt.Errorf("drive: timer: %w", err)
	}
	n, err = unix.EpollWait(l.epoll, events, -1)
	if errors.Is(err, unix.EINTR) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("drive: epoll: %w", err)
	}
	return n, nil
}

// answered records one answer and frees the connection.
func (l *loop) answered(i int, a wire.Answer) {
	c := &l.conns[i]
	now := l.since()
	latency := now - c.intended
	ok := l.src.Answer(i, a, latency)
	l.res.Status[a.Status]++
	if !ok {
		if l.res.Errors++; l.res.Errors == 1 {
			l.res.FirstBad = fmt.Sprintf("%d %.300s", a.Status, a.Body)
		}
	}
	if l.opt.Schedule != nil || !l.closed && now < l.opt.Duration {
		if ok {
			l.res.Done++
		}
		Record(l.res.Latency, latency)
	}
	c.busy = false
	l.idle.push(i)
}

// giveUp charges what was never answered, and in an open loop what was due and
// could not even be sent, with the time it has waited so far.
func (l *loop) giveUp() {
	now := l.since()
	for i := range l.conns {
		if c := &l.conns[i]; c.busy {
			l.answered(i, wire.Answer{})
		}
	}
	if l.opt.Schedule == nil || l.retired > 0 {
		return
	}
	for ; l.next < l.opt.Duration; l.next = l.opt.Schedule.Next() {
		l.res.Errors++
		l.res.Status[0]++
		Record(l.res.Latency, now-l.next)
	}
	l.endedAt = max(l.endedAt, l.opt.Duration)
}
