package api

import (
	"net/http"
	"time"
)

// readTimeout is how long a client may take to send a request; a terminal on a
// poor mobile network sends a basket well within it.
const readTimeout = 10 * time.Second

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
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
	}
}

// NewAdminServer is NewServer for the admin address, where a profile takes its
// time to write.
func NewAdminServer(addr string, h http.Handler) *http.Server {
	s := NewServer(addr, h)
	s.WriteTimeout = 3 * time.Minute
	return s
}
