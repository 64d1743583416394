package drive

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"unioncard/loadtest/wire"
)

// readChunk is how much is asked of the kernel at once, in bytes.
const readChunk = 64 << 10

// conn is one connection of the loop. At most one request is outstanding on it.
type conn struct {
	fd       int
	out      []byte // request; the part from sent on is still to be written
	sent     int
	in       []byte // answer so far
	intended time.Duration
	busy     bool
	armed    bool // waiting for the socket to take more of the request
}

func (l *loop) connect(i int) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("drive: socket: %w", err)
	}
	c := &l.conns[i]
	if err = unix.Connect(fd, &l.addr); err == nil {
		err = unix.SetNonblock(fd, true)
	}
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	}
	if err == nil {
		ev := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(i)}
		err = unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, fd, &ev)
	}
	if err != nil {
		_ = unix.Close(fd)
		return fmt.Errorf("drive: connect to %s: %w", l.opt.Addr, err)
	}
	*c = conn{fd: fd, out: c.out[:0], in: c.in[:0]}
	return nil
}

// serve reacts to readiness of connection i.
func (l *loop) serve(i int, events uint32) error {
	c := &l.conns[i]
	if c.armed && events&unix.EPOLLOUT != 0 {
		if err := l.write(i); err != nil {
			return err
		}
	}
	if events&(unix.EPOLLIN|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		return l.read(i)
	}
	return nil
}

// write sends what is left of the request; what the socket does not take waits.
func (l *loop) write(i int) error {
	c := &l.conns[i]
	for c.sent < len(c.out) {
		n, err := unix.Write(c.fd, c.out[c.sent:])
		switch {
		case errors.Is(err, unix.EAGAIN):
			return l.arm(i, true)
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return l.broken(i)
		default:
			c.sent += n
		}
	}
	if c.armed {
		return l.arm(i, false)
	}
	return nil
}

func (l *loop) arm(i int, out bool) error {
	c := &l.conns[i]
	ev := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(i)}
	if out {
		ev.Events |= unix.EPOLLOUT
	}
	c.armed = out
	if err := unix.EpollCtl(l.epoll, unix.EPOLL_CTL_MOD, c.fd, &ev); err != nil {
		return fmt.Errorf("drive: epoll: %w", err)
	}
	return nil
}

// read takes what has arrived and finishes the request when its answer is whole.
func (l *loop) read(i int) error {
	c := &l.conns[i]
	for got := false; ; got = true {
		if cap(c.in)-len(c.in) < readChunk/4 {
			grown := make([]byte, len(c.in), 2*cap(c.in)+readChunk)
			copy(grown, c.in)
			c.in = grown
		}
		room := c.in[len(c.in):cap(c.in)]
		n, err := unix.Read(c.fd, room)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			if !got {
				return nil
			}
			n = 0
		case err != nil || n == 0:
			return l.broken(i)
		}
		c.in = c.in[:len(c.in)+n]
		if n == len(room) {
			continue // there may be more; parse when the socket is empty
		}
		a, _, err := wire.Parse(c.in)
		switch {
		case errors.Is(err, wire.ErrIncomplete):
			return nil
		case err != nil || !c.busy:
			return l.broken(i)
		}
		l.answered(i, a)
		if a.Close {
			return l.reconnect(i)
		}
		return nil
	}
}

// broken counts an outstanding request as lost and opens the connection anew.
func (l *loop) broken(i int) error {
	if l.conns[i].busy {
		l.answered(i, wire.Answer{})
	}
	return l.reconnect(i)
}

func (l *loop) reconnect(i int) error {
	_ = unix.Close(l.conns[i].fd) // also takes it out of the epoll set
	l.conns[i].fd = -1
	return l.connect(i)
}
