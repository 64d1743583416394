package webhook

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// What one attempt may take, and how much of an answer is read and kept, in bytes.
const (
	attemptTime = 10 * time.Second
	answerRead  = 4 << 10
	answerKept  = 500
	headerRead  = 16 << 10
)

// outcome is what came of an attempt. fault is "" if the target took the message,
// else one of the words of Fault.
type outcome struct {
	status     int
	fault      string
	answer     string
	took       time.Duration
	retryAfter time.Duration // asked for by the target; 0 if not
}

// newClient returns a client that reaches public addresses only (all, if private),
// follows nothing and asks no proxy.
func newClient(private bool, roots *x509.CertPool) *http.Client {
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy: nil, DialContext: dialer(private), DisableCompression: true,
			TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
			TLSHandshakeTimeout: 5 * time.Second, MaxResponseHeaderBytes: headerRead,
			MaxIdleConns: 256, MaxIdleConnsPerHost: 2, IdleConnTimeout: 30 * time.Second,
		},
	}
}

// post makes one attempt, as long as ctx lets it.
func post(ctx context.Context, client *http.Client, m *task, at time.Time) outcome {
	began := time.Now() // how long it took is the machine's, whatever the clock says
	o := try(ctx, client, m, at)
	o.took = time.Since(began)
	return o
}

func try(ctx context.Context, client *http.Client, m *task, at time.Time) outcome {
	if len(m.secrets) == 0 { // nothing goes out unsigned
		return outcome{fault: "secret"}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, m.url, strings.NewReader(m.body))
	if err != nil {
		return outcome{fault: "url"}
	}
	var signatures []string
	for _, secret := range m.secrets {
		signatures = append(signatures, signature(secret, m.eventID, at, m.body))
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "unioncard-webhook/1")
	req.Header.Set("webhook-id", m.eventID)
	req.Header.Set("webhook-timestamp", strconv.FormatInt(at.Unix(), 10))
	req.Header.Set("webhook-signature", strings.Join(signatures, " "))
	res, err := client.Do(req)
	if err != nil {
		return outcome{fault: faultOf(err)}
	}
	defer func() { _ = res.Body.Close() }() // the rest of a long answer is not waited for
	// An answer that breaks off or takes too long is an answer: its status has come.
	answer, _ := io.ReadAll(io.LimitReader(res.Body, answerRead))
	o := outcome{status: res.StatusCode, answer: kept(answer)}
	switch {
	case res.StatusCode/100 == 2:
	case res.StatusCode/100 == 3:
		o.fault = "redirect"
	default:
		o.fault = "status"
		if s, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && s > 0 {
			o.retryAfter = min(time.Duration(s)*time.Second, heldAtMost)
		}
	}
	return o
}

// faultOf is a word for why there was no answer. The error itself names addresses
// and resolvers of this side, which are nobody's business.
func faultOf(err error) string {
	var dns *net.DNSError
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var host x509.HostnameError
	var verify *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var wait net.Error
	switch {
	case errors.Is(err, errAddress):
		return "address"
	case errors.As(err, &dns):
		return "dns"
	case errors.As(err, &unknown), errors.As(err, &invalid), errors.As(err, &host), errors.As(err, &verify), errors.As(err, &record):
		return "tls"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &wait) && wait.Timeout():
		return "timeout"
	}
	return "connect"
}

// kept is the beginning of an answer as the log shows it: text, in one piece.
func kept(answer []byte) string {
	text := strings.Map(func(r rune) rune {
		if control(r) && r != '\n' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(string(answer), "�"))
	if len(text) > answerKept {
		text = text[:answerKept]
		for !utf8.ValidString(text) {
			text = text[:len(text)-1]
		}
	}
	return strings.TrimSpace(text)
}
