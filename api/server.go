package api

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"time"
)

// readTimeout is how long a client may take to send a request; a terminal on a
// poor mobile network sends a basket well within it.
const readTimeout = 10 * time.Second

// writeTimeout is how long a request may take from its headers to the end of its
// answer, unless its route has longer (readBody).
const writeTimeout = 30 * time.Second

// NewServer returns a server for h at addr with every time limit set. A client
// that sends its request slower than this, or reads its answer slower, loses its
// connection and nothing else. Shut it down with Shutdown, which lets requests
// under way finish.
func NewServer(addr string, h http.Handler) *http.Server {
	return &http.Server{
		Addr:    addr,
		Handler: h,
		// One deadline for headers and body: a second one would be set anew on every
		// request, which shows in the throughput of verifications.
		ReadHeaderTimeout: readTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ConnContext:       withPeer,
	}
}

// peerKey is where a connection's context keeps its peer's address.
type peerKey struct{}

// withPeer reads the peer's address once a connection; a request has it as text.
func withPeer(ctx context.Context, c net.Conn) context.Context {
	if tcp, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		return context.WithValue(ctx, peerKey{}, tcp.AddrPort().Addr().Unmap())
	}
	return ctx
}

// peerOf is the address a request came from; the zero Addr if it has none.
func peerOf(r *http.Request) netip.Addr {
	if addr, ok := r.Context().Value(peerKey{}).(netip.Addr); ok {
		return addr
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return peer.Addr().Unmap()
}

// NewAdminServer is NewServer for the admin address, where a profile takes its
// time to write.
func NewAdminServer(addr string, h http.Handler) *http.Server {
	s := NewServer(addr, h)
	s.WriteTimeout = 3 * time.Minute
	return s
}
