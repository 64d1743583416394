package api

import (
	"net/http"
	"time"
)

// NewServer returns a server for h at addr with every time limit set. A client
// that sends its request slower than this, or reads its answer slower, loses its
// connection and nothing else. Shut it down with Shutdown, which lets requests
// under way finish.
func NewServer(addr string, h http.Handler) *http.Server {
	return &http.Server{
		Addr:              addr,
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
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
