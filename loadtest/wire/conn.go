package wire

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// Conn is one keep-alive connection used for one request at a time; it belongs to
// one goroutine. After any error it must be closed: what came of the request is
// then unknown.
type Conn struct {
	nc  net.Conn
	br  *bufio.Reader
	buf []byte // from the start of the answer being read
	n   int    // bytes of buf already taken by the last answer
}

// Dial connects to a TCP address within timeout.
func Dial(addr string, timeout time.Duration) (*Conn, error) {
	nc, err := net.DialTimeout("tcp", addr, timeout)
	if err != nil {
		return nil, fmt.Errorf("wire: %w", err)
	}
	return NewConn(nc), nil
}

// NewConn speaks HTTP over nc and owns it.
func NewConn(nc net.Conn) *Conn {
	return &Conn{nc: nc, br: bufio.NewReaderSize(nc, 16<<10)}
}

// Close closes the connection.
func (c *Conn) Close() error { return c.nc.Close() }

// Do sends one request and reads its answer, both within timeout. The answer is
// valid until the next call.
func (c *Conn) Do(request []byte, timeout time.Duration) (Answer, error) {
	if err := c.nc.SetDeadline(time.Now().Add(timeout)); err != nil {
		return Answer{}, fmt.Errorf("wire: %w", err)
	}
	if _, err := c.nc.Write(request); err != nil {
		return Answer{}, fmt.Errorf("wire: send: %w", err)
	}
	return c.Read()
}

// Read returns the next answer on the connection; pipelined answers that arrived
// together are handed out one by one.
func (c *Conn) Read() (Answer, error) {
	c.buf = c.buf[:copy(c.buf, c.buf[c.n:])]
	c.n = 0
	for {
		if len(c.buf) > 0 {
			a, n, err := Parse(c.buf)
			if err == nil {
				c.n = n
				return a, nil
			}
			if !errors.Is(err, ErrIncomplete) {
				return Answer{}, err
			}
		}
		if _, err := c.br.Peek(1); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return Answer{}, fmt.Errorf("wire: receive: %w", err)
		}
		more, _ := c.br.Peek(c.br.Buffered())
		c.buf = append(c.buf, more...)
		if _, err := c.br.Discard(len(more)); err != nil {
			return Answer{}, fmt.Errorf("wire: receive: %w", err)
		}
	}
}
