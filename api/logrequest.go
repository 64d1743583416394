package api

import (
	"context"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	"unioncard/api/exchange"
	"unioncard/api/strictjson"
)

// LogHandler is slog's JSON handler, which also takes the record of a request in
// one go: slog's attributes are general, and for the one record that every
// request writes they cost as much as reading its body.
type LogHandler struct {
	slog.Handler
	out *LogWriter
}

// NewLogHandler writes records of level and above to out.
func NewLogHandler(out *LogWriter, level slog.Leveler) *LogHandler {
	return &LogHandler{slog.NewJSONHandler(out, &slog.HandlerOptions{Level: level}), out}
}

// requestLog writes the records of one route's requests.
type requestLog struct {
	general slog.Handler // with the route
	direct  *LogWriter   // nil: only the general way
	middle  []byte       // of the line, between time and request id
	second  atomic.Pointer[logSecond]
}

func newRequestLog(h slog.Handler, route string) *requestLog {
	l := &requestLog{general: h.WithAttrs([]slog.Attr{slog.String("route", route)})}
	if own, ok := h.(*LogHandler); ok {
		l.direct = own.out
		l.middle = append(l.middle, `,"level":"INFO","msg":"request","route":`...)
		l.middle = strictjson.AppendString(l.middle, route)
		l.middle = append(l.middle, `,"request_id":`...)
	}
	return l
}

// write writes the record of x, which was answered at now.
func (l *requestLog) write(ctx context.Context, x *exchange.Exchange, now time.Time) {
	if !l.general.Enabled(ctx, slog.LevelInfo) {
		return
	}
	var terminal int64
	if x.Terminal != nil {
		terminal = x.Terminal.ID
	}
	micros := now.Sub(x.Start).Microseconds()
	if l.direct != nil {
		var room [320]byte
		line := append(room[:0], `{"time":`...)
		line = l.appendTime(line, now)
		line = append(line, l.middle...)
		line = strictjson.AppendString(line, x.ID)
		line = append(line, `,"status":`...)
		line = strconv.AppendInt(line, int64(x.Status), 10)
		line = append(line, `,"outcome":`...)
		line = strictjson.AppendString(line, x.Outcome)
		line = append(line, `,"duration_us":`...)
		line = strconv.AppendInt(line, micros, 10)
		line = append(line, `,"terminal":`...)
		line = strconv.AppendInt(line, terminal, 10)
		// There is nowhere to report that the log can not be written.
		_, _ = l.direct.Write(append(line, '}', '\n'))
		return
	}
	rec := slog.NewRecord(now, slog.LevelInfo, "request", 0)
	rec.AddAttrs(
		slog.String("request_id", x.ID), slog.Int("status", x.Status), slog.String("outcome", x.Outcome),
		slog.Int64("duration_us", micros), slog.Int64("terminal", terminal),
	)
	_ = l.general.Handle(ctx, rec)
}

// logSecond is the text round the fraction of all times within one second.
type logSecond struct {
	unix         int64
	in           *time.Location
	before, zone string
}

// appendTime appends t as slog does: a JSON string, RFC 3339 with as much of
// the fraction as is not zero. Only the first of a second is formatted.
func (l *requestLog) appendTime(dst []byte, t time.Time) []byte {
	s := l.second.Load()
	if s == nil || s.unix != t.Unix() || s.in != t.Location() {
		s = &logSecond{unix: t.Unix(), in: t.Location(), before: t.Format("2006-01-02T15:04:05"), zone: t.Format("Z07:00")}
		l.second.Store(s)
	}
	dst = append(dst, '"')
	dst = append(dst, s.before...)
	if ns := t.Nanosecond(); ns != 0 {
		digits := [10]byte{'.'}
		last := 0
		for i := 9; i > 0; i-- {
			digits[i] = byte('0' + ns%10)
			if last == 0 && ns%10 != 0 {
				last = i
			}
			ns /= 10
		}
		dst = append(dst, digits[:last+1]...)
	}
	dst = append(dst, s.zone...)
	return append(dst, '"')
}
