package sms_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"unioncard/card/phone/sms"
)

var secret = []byte("a secret of both sides")

var message = sms.Message{ID: "m1", Phone: "13812345678", Code: "098765", Valid: 5 * time.Minute}

// gateway is a sender to h, impatient.
func gateway(t *testing.T, h http.HandlerFunc, change func(*sms.GatewayOptions)) *sms.Gateway {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	o := sms.GatewayOptions{URL: server.URL + "/v1/messages?app=7", KeyID: "k1", Secret: secret, Template: "T1",
		Attempt: 2 * time.Second, Pause: time.Millisecond}
	if change != nil {
		change(&o)
	}
	g, err := sms.NewGateway(o)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// TestSigned: what a provider needs to trust a request and to know a repeat.
func TestSigned(t *testing.T) {
	t.Parallel()
	nonces := map[string]bool{}
	tries := 0
	g := gateway(t, func(w http.ResponseWriter, r *http.Request) {
		tries++
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		h := r.Header
		// As the documentation has it, written again.
		sum := sha256.Sum256(body)
		mac := hmac.New(sha256.New, secret)
		fmt.Fprintf(mac, "v1\nk1\n%s\n%s\nPOST\n/v1/messages\n%x", h.Get("X-Timestamp"), h.Get("X-Nonce"), sum)
		if got := hex.EncodeToString(mac.Sum(nil)); got != h.Get("X-Signature") {
			t.Errorf("signature %s, want %s", h.Get("X-Signature"), got)
		}
		nonces[h.Get("X-Nonce")] = true
		var doc map[string]any
		if err := json.Unmarshal(body, &doc); err != nil {
			t.Error(err)
		}
		want := map[string]any{"id": "m1", "phone": "13812345678", "template": "T1", "params": map[string]any{"code": "098765", "minutes": "5"}}
		if d := cmp.Diff(want, doc); d != "" {
			t.Error(d)
		}
		if tries < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}, nil)
	if err := g.Send(t.Context(), message); err != nil {
		t.Fatal(err)
	}
	if tries != 3 || len(nonces) != 3 {
		t.Errorf("%d tries with %d nonces", tries, len(nonces))
	}
}

// TestTries: which answers are tried again, and how often.
func TestTries(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]int32{200: 1, 204: 1, 302: 1, 400: 1, 401: 1, 408: 3, 429: 3, 500: 3, 503: 3} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			var tries atomic.Int32
			g := gateway(t, func(w http.ResponseWriter, r *http.Request) {
				tries.Add(1)
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(status)
				if r.URL.Path == "/elsewhere" {
					t.Error("a redirect was followed")
				}
			}, nil)
			err := g.Send(t.Context(), message)
			if (err == nil) != (status < 300) || tries.Load() != want {
				t.Errorf("%d tries, %v", tries.Load(), err)
			}
			if err != nil {
				quiet(t, err.Error())
			}
		})
	}
}

func quiet(t *testing.T, said string) {
	t.Helper()
	for _, secret := range []string{message.Phone, message.Code, string(secret), "app=7", "T1"} {
		if strings.Contains(said, secret) {
			t.Errorf("%q holds %q", said, secret)
		}
	}
}

// TestDeadGateway: one that hangs, one that breaks off, one that is not there; nothing
// takes longer than it may, and no error tells more than it should.
func TestDeadGateway(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	defer close(release)
	hangs := gateway(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}, func(o *sms.GatewayOptions) { o.Attempt = 20 * time.Millisecond })
	breaks := gateway(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, nil)
	floods := gateway(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(500)
		for w := io.Writer(w); r.Context().Err() == nil; {
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
	}, nil)
	gone := gateway(t, nil, func(o *sms.GatewayOptions) { o.URL = "http://127.0.0.1:1/x?app=7" })
	for name, g := range map[string]*sms.Gateway{"hangs": hangs, "breaks off": breaks, "floods": floods, "is gone": gone} {
		err := g.Send(t.Context(), message)
		if err == nil {
			t.Errorf("a gateway that %s took the message", name)
			continue
		}
		quiet(t, err.Error())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := hangs.Send(ctx, message); !errors.Is(err, context.Canceled) {
		t.Errorf("told to stop: %v", err)
	}
}

func TestGatewayOptions(t *testing.T) {
	t.Parallel()
	for _, o := range []sms.GatewayOptions{
		{}, {URL: "ftp://h/x", KeyID: "k", Secret: secret}, {URL: "https://u:p@h/x", KeyID: "k", Secret: secret},
		{URL: "https:///x", KeyID: "k", Secret: secret}, {URL: "https://h/x", Secret: secret}, {URL: "https://h/x", KeyID: "k", Secret: []byte("short")},
	} {
		if _, err := sms.NewGateway(o); err == nil {
			t.Errorf("taken: %q", o.URL)
		}
	}
}

// TestCheckURL: a number and its code leave this machine encrypted or not at all.
func TestCheckURL(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]bool{
		"https://sms.example.org/v1": true, "HTTPS://sms.example.org/v1": true, "https://10.0.0.7:8443/x?app=7": true,
		"http://127.0.0.1:9000/x": true, "http://127.9.9.9/x": true, "http://[::1]:9000/x": true, "http://[::ffff:127.0.0.1]/x": true, "http://localhost:9000/x": true,
		"http://sms.example.org/v1": false, "http://10.0.0.7/x": false, "http://0.0.0.0/x": false, "http://[::]/x": false,
		"http://localhost.example.org/x": false, "http://127.0.0.1.example.org/x": false, "http://127.0.0.1@example.org/x": false,
		"http://2130706433/x": false, "http:///x": false, "//127.0.0.1/x": false, "https://h/x#f": false, "": false,
	} {
		if _, err := sms.CheckURL(url); (err == nil) != want {
			t.Errorf("%q: %v", url, err)
		}
		_, err := sms.NewGateway(sms.GatewayOptions{URL: url, KeyID: "k", Secret: secret})
		if (err == nil) != want {
			t.Errorf("a gateway at %q: %v", url, err)
		}
	}
}

// TestNothingPrints: a message or a gateway in a log line or a %v tells nothing.
func TestNothingPrints(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	g := gateway(t, nil, nil)
	fmt.Fprintf(&out, "%v %+v %#v %s %v %#v", message, message, message, message, g, g)
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "message", message, "gateway", g)
	quiet(t, out.String())
}

// TestConsole: the development sender shows the number in full to the console alone.
func TestConsole(t *testing.T) {
	t.Parallel()
	var console, log bytes.Buffer
	c := sms.NewConsole(&console, slog.New(slog.NewTextHandler(&log, nil)))
	if err := c.Send(t.Context(), message); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(console.String(), "13812345678: code 098765") {
		t.Errorf("console: %s", &console)
	}
	if !strings.Contains(log.String(), "138****5678") || !strings.Contains(log.String(), "098765") || strings.Contains(log.String(), message.Phone) {
		t.Errorf("log: %s", &log)
	}
}
