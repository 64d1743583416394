package portal

import (
	"net/netip"
	"sync"
	"time"
)

// limiter counts what each address does within an hour, in memory: every node
// counts its own. Hours are fixed windows, so twice the number may pass around a
// turn, and nothing needs to be swept: a new hour starts with an empty table.
type limiter struct {
	clock    func() time.Time
	one, all int

	mu    sync.Mutex
	hour  int64
	total int
	by    map[netip.Addr]int
}

func newLimiter(clock func() time.Time, one, all int) *limiter {
	return &limiter{clock: clock, one: one, all: all, by: map[netip.Addr]int{}}
}

// take counts one request: ErrTooMany if the address, or all together, have used
// up the hour. A refused request counts for nobody, so the table holds at most
// as many addresses as all may send.
func (l *limiter) take(addr netip.Addr) error {
	addr = place(addr)
	hour := l.clock().Unix() / 3600
	l.mu.Lock()
	defer l.mu.Unlock()
	if hour != l.hour {
		l.hour, l.total, l.by = hour, 0, map[netip.Addr]int{}
	}
	if l.total >= l.all || l.by[addr] >= l.one {
		return ErrTooMany
	}
	l.total++
	l.by[addr]++
	return nil
}
