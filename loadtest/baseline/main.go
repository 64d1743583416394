// Command baseline is what a team would build instead: plain gin handlers over
// encoding/json that our service is measured against on the same machine.
//
//	baseline bare   decodes and encodes the JSON of a verification, nothing else
//	baseline redis  the same with one Redis GET by code
//	baseline select the same with one SELECT by key through pgx
//	baseline insert one durable INSERT of a purchase with a unique idempotency index
//
// Each does the least that its kind of service can do, so the comparison favours it:
// no authentication, no rules, no logging, no metrics, tuned pools.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/gin-gonic/gin"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "baseline:", err)
		os.Exit(1)
	}
}

// config of one baseline server.
type config struct {
	listen, redis, postgres, answer string
	pool                            int
}

func run(args []string) error {
	if len(args) == 0 {
		return errors.New("usage: baseline bare|redis|select|insert [flags]")
	}
	var c config
	fs := flag.NewFlagSet("baseline "+args[0], flag.ContinueOnError)
	fs.StringVar(&c.listen, "listen", "127.0.0.1:0", "address to listen on")
	fs.StringVar(&c.redis, "redis", "127.0.0.1:6379", "Redis address, or the path of its socket")
	fs.StringVar(&c.postgres, "postgres", "", "PostgreSQL connection string")
	fs.IntVar(&c.pool, "pool", 0, "connections to Redis or PostgreSQL; 0 is the library's default")
	fs.StringVar(&c.answer, "answer", "", "file with the verification answer to encode; default is built in")
	if err := fs.Parse(args[1:]); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	h, closer, err := handler(ctx, args[0], c)
	if err != nil {
		return err
	}
	defer closer()
	return serve(ctx, c.listen, h)
}

// handler is the baseline of that name; closer ends its pool.
func handler(ctx context.Context, name string, c config) (h http.Handler, closer func(), err error) {
	sample, err := loadSample(c.answer)
	if err != nil {
		return nil, nil, err
	}
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	closer = func() {}
	switch name {
	case "bare":
		r.POST("/v1/verifications", bare(sample))
	case "redis":
		closer, err = routeRedis(ctx, r, c, sample)
	case "select":
		closer, err = routeSelect(ctx, r, c, sample)
	case "insert":
		closer, err = routeInsert(ctx, r, c)
	default:
		err = fmt.Errorf("no baseline %q", name)
	}
	return r, closer, err
}

// serve prints the address it listens on and serves until ctx ends.
func serve(ctx context.Context, listen string, h http.Handler) error {
	ln, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	fmt.Printf("listening on %s\n", ln.Addr())
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(ln) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return srv.Shutdown(bounded)
}

// bare decodes the request and encodes the answer.
func bare(sample verifyAnswer) gin.HandlerFunc {
	return func(c *gin.Context) {
		if _, ok := decode[verifyRequest](c); ok {
			c.JSON(http.StatusOK, sample)
		}
	}
}

// decode reads the body with encoding/json and answers 400 itself when it can't.
func decode[T any](c *gin.Context) (body T, ok bool) {
	if err := json.NewDecoder(c.Request.Body).Decode(&body); err != nil {
		c.JSON(http.StatusBadRequest, gin.H{"error": err.Error()})
		return body, false
	}
	return body, true
}

// loadSample reads the answer that the verifying baselines encode; the bench hands
// in one that our own service gave, so both encode the same.
func loadSample(path string) (verifyAnswer, error) {
	raw := builtinAnswer
	if path != "" {
		data, err := os.ReadFile(path)
		if err != nil {
			return verifyAnswer{}, err
		}
		raw = string(data)
	}
	var a verifyAnswer
	dec := json.NewDecoder(strings.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&a); err != nil {
		return a, fmt.Errorf("sample answer: %w", err)
	}
	return a, nil
}
