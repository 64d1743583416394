package exchange

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// Streaming. Most answers are whole before anything is sent; a stream of events is
// not. Its handler answers as every other does (errors are problem documents) and
// leaves behind, with x.Stream, a function that writes on after the answer's
// headers are out. By then the request has left its admission gate and has been
// logged and measured, so that a stream of an hour neither holds a place meant for
// short work nor spoils the figures.

// errStreamOver: the client has gone or no longer reads.
var errStreamOver = errors.New("exchange: stream is over")

// streamWrite is how long one write to a stream may take: a phone that has not
// taken a few hundred bytes by then has gone.
const streamWrite = 10 * time.Second

// Streamer writes a stream until it is over or ctx ends, which it does with the
// connection.
type Streamer func(ctx context.Context, w *StreamWriter)

// Stream makes the answer a stream: its headers and Out are sent first, then run
// is called. The route has no time-out of its own (route.timeout 0).
func (x *Exchange) Stream(run Streamer) { x.stream = run }

// RunStream writes the stream that the handler left behind, if it did. Send has
// been called.
func (x *Exchange) RunStream() {
	run := x.stream
	if run == nil {
		return
	}
	x.stream = nil
	w := &StreamWriter{control: http.NewResponseController(x.Gin.Writer), to: x.Gin.Writer}
	if w.flush() != nil { // the headers
		return
	}
	run(x.Ctx, w)
}

// StreamWriter writes to a stream.
type StreamWriter struct {
	control *http.ResponseController
	to      http.ResponseWriter
}

// Send writes b and sees that it leaves at once. An error ends the stream.
func (w *StreamWriter) Send(b []byte) error {
	if err := w.allow(); err != nil {
		return err
	}
	if _, err := w.to.Write(b); err != nil {
		return errors.Join(errStreamOver, err)
	}
	return w.push()
}

func (w *StreamWriter) flush() error {
	if err := w.allow(); err != nil {
		return err
	}
	return w.push()
}

// allow gives the connection time for one write; the server's limit is for a whole
// answer.
func (w *StreamWriter) allow() error {
	err := w.control.SetWriteDeadline(time.Now().Add(streamWrite))
	if err != nil && !errors.Is(err, http.ErrNotSupported) {
		return errors.Join(errStreamOver, err)
	}
	return nil
}

func (w *StreamWriter) push() error {
	if err := w.control.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return errors.Join(errStreamOver, err)
	}
	return nil
}
