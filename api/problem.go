package api

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"time"

	"unioncard/api/exchange"
	"unioncard/api/strictjson"
	"unioncard/api/terminal"
	"unioncard/merchant"
	"unioncard/settlement/purchase"
)

// problem is one kind of answer to an error: an RFC 9457 problem document with
// a stable code. title, detail and fix are for people; detail is a sentence a
// cashier can act on.
type problem struct {
	status             int
	code               string
	title, detail, fix string
	// retry is how long to wait when the error itself does not say; 0: no advice.
	retry time.Duration
}

// row says which errors a problem answers.
type row struct {
	errs []error
	problem
}

// problems renders errors by the table in problem_table.go.
type problems struct {
	rows   []row
	clock  func() time.Time
	logger *slog.Logger
}

// find returns the problem for err; what is not in the table is internal. An
// error of a database that is away is ErrOverloaded: nothing was done, and later
// it may work. A COMMIT whose answer was lost is none of these: the domain says
// ErrOutcomeUnknown, which has a row.
func (p *problems) find(err error) *problem {
	if pr := p.row(err); pr != nil {
		return pr
	}
	if merchant.Unavailable(err) {
		return p.row(exchange.ErrOverloaded)
	}
	return &internal
}

// row is find in the table alone, nil if err has no row.
func (p *problems) row(err error) *problem {
	for i := range p.rows {
		for _, e := range p.rows[i].errs {
			if errors.Is(err, e) {
				return &p.rows[i].problem
			}
		}
	}
	return nil
}

// AppendProblem appends err as a problem document and returns its status. An
// internal error leaks nothing; it is logged with its cause under the request's
// id.
func (p *problems) AppendProblem(dst []byte, x *exchange.Exchange, err error) ([]byte, int) {
	pr := p.find(err)
	switch {
	case pr == &internal:
		p.logger.LogAttrs(x.Ctx, slog.LevelError, "internal error",
			slog.String("request_id", x.ID), slog.Any("error", err))
	case p.row(err) == nil:
		p.logger.LogAttrs(x.Ctx, slog.LevelWarn, "database away",
			slog.String("request_id", x.ID), slog.Any("error", err))
	}
	dst = appendMember(dst, `{"type":`, "/docs#problem-"+pr.code)
	dst = appendMember(dst, `,"title":`, pr.title)
	dst = append(dst, `,"status":`...)
	dst = strconv.AppendInt(dst, int64(pr.status), 10)
	dst = appendMember(dst, `,"detail":`, pr.detail)
	dst = appendMember(dst, `,"code":`, pr.code)
	dst = appendMember(dst, `,"fix":`, pr.fix)
	dst = appendMember(dst, `,"request_id":`, x.ID)
	dst = p.appendExtensions(dst, pr, err)
	return append(dst, '}'), pr.status
}

// appendExtensions appends what the error carries besides its kind.
func (p *problems) appendExtensions(dst []byte, pr *problem, err error) []byte {
	if s := retrySeconds(pr, err); s > 0 {
		dst = append(dst, `,"retry_after_s":`...)
		dst = strconv.AppendInt(dst, s, 10)
	}
	if pr.status == http.StatusUnauthorized {
		dst = append(dst, `,"server_time":`...)
		dst = strictjson.AppendTime(dst, p.clock())
	}
	var wrong *strictjson.Error
	if errors.As(err, &wrong) {
		if wrong.Field != "" {
			dst = appendMember(dst, `,"field":`, wrong.Field)
		}
		dst = append(dst, `,"offset":`...)
		dst = strconv.AppendInt(dst, int64(wrong.Offset), 10)
	}
	var param interface{ Parameter() string }
	if errors.As(err, &param) {
		dst = appendMember(dst, `,"parameter":`, param.Parameter())
	}
	var over interface{ Ended() string }
	if errors.As(err, &over) {
		dst = appendMember(dst, `,"ended":`, over.Ended())
	}
	var refusal *purchase.Refusal
	if errors.As(err, &refusal) {
		if refusal.Offer != "" {
			dst = appendMember(dst, `,"offer":`, refusal.Offer)
		}
		if refusal.Quote != nil && refusal.Quote.HasQuote {
			dst = append(dst, `,"quote":`...)
			dst = terminal.AppendQuote(dst, refusal.Quote)
		}
	}
	return dst
}

// answer makes err the answer of x.
func (p *problems) answer(x *exchange.Exchange, err error) {
	pr := p.find(err)
	x.Out, x.Status = p.AppendProblem(x.Out[:0], x, err)
	x.ContentType = exchange.Problem
	x.Outcome = pr.code
	if s := retrySeconds(pr, err); s > 0 {
		x.SetHeader("Retry-After", strconv.FormatInt(s, 10))
	}
	if pr.status == http.StatusUnauthorized {
		x.SetHeader("WWW-Authenticate", `Bearer realm="unioncard", error="invalid_token"`)
	}
}

// retrySeconds is how long to wait, rounded up to whole seconds; 0: no advice.
func retrySeconds(pr *problem, err error) int64 {
	wait := pr.retry
	var refusal *purchase.Refusal
	if errors.As(err, &refusal) && refusal.RetryAfter > 0 {
		wait = refusal.RetryAfter
	}
	var later interface{ RetryAfter() time.Duration }
	if errors.As(err, &later) {
		wait = later.RetryAfter()
	}
	return int64(math.Ceil(wait.Seconds()))
}

func appendMember(dst []byte, name, s string) []byte {
	dst = append(dst, name...)
	return strictjson.AppendString(dst, s)
}

// late turns the end of a route's time into what it means there: a write may
// have happened, a read did not.
func late(err error, writes bool) error {
	if !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
		return err
	}
	if errors.Is(err, purchase.ErrOverloaded) || errors.Is(err, purchase.ErrOutcomeUnknown) {
		return err
	}
	if writes {
		return errors.Join(purchase.ErrOutcomeUnknown, err)
	}
	return errors.Join(exchange.ErrOverloaded, err)
}
