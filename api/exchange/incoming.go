package exchange

import (
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"time"
)

// MediaStream is a form with a file too large to be held: the handler reads it as it
// arrives (Parts). Fields stand before the file, or the handler does not know them
// when it needs them.
const MediaStream Media = "multipart/form-data; streamed"

// idleRead is how long a client may take for the next bytes of a streamed body.
const idleRead = 30 * time.Second

// Parts reads a streamed form part by part, at most limit bytes in all. Its errors
// are ErrForm, ErrBodyTooLarge and ErrBodyLost.
func (x *Exchange) Parts(limit int64) (*Parts, error) {
	r := x.Gin.Request
	_, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || params["boundary"] == "" {
		return nil, ErrForm
	}
	in := &incoming{body: r.Body, left: limit, control: http.NewResponseController(x.Gin.Writer)}
	return &Parts{in: in, parts: multipart.NewReader(in, params["boundary"])}, nil
}

// Parts is a form's parts, in the order in which they were sent.
type Parts struct {
	in    *incoming
	parts *multipart.Reader
	n     int
}

// maxParts bounds a streamed form's parts.
const maxParts = 20

// Next is the next part; io.EOF after the last. It can be read until the next call.
func (p *Parts) Next() (*multipart.Part, error) {
	if p.n++; p.n > maxParts {
		return nil, ErrForm
	}
	part, err := p.parts.NextPart()
	switch {
	case err == nil:
		return part, nil
	case p.in.failed != nil:
		return nil, p.in.failed
	case err == io.EOF: //nolint:errorlint // a form cut off gives an error that wraps io.EOF
		return nil, io.EOF
	}
	return nil, ErrForm
}

// Text reads a part that is a field, at most limit bytes of plain text. ErrForm.
func (p *Parts) Text(part *multipart.Part, limit int64) (string, error) {
	b, err := io.ReadAll(io.LimitReader(part, limit+1))
	if p.in.failed != nil {
		return "", p.in.failed
	}
	if err != nil || int64(len(b)) > limit || !clean(string(b)) {
		return "", ErrForm
	}
	return string(b), nil
}

// Failed is why the body did not arrive, nil if it did.
func (p *Parts) Failed() error { return p.in.failed }

// incoming is a body as it arrives: bounded, and given up when nothing more comes.
type incoming struct {
	body    io.Reader
	left    int64
	control *http.ResponseController
	set     time.Time // when the deadline was last put off
	failed  error
}

func (i *incoming) Read(p []byte) (int, error) {
	if i.failed != nil {
		return 0, i.failed
	}
	if now := time.Now(); now.Sub(i.set) > time.Second {
		i.set = now
		if err := i.control.SetReadDeadline(now.Add(idleRead)); err != nil && !errors.Is(err, http.ErrNotSupported) {
			i.failed = errors.Join(ErrBodyLost, err)
			return 0, i.failed
		}
	}
	n, err := i.body.Read(p)
	if i.left -= int64(n); i.left < 0 {
		i.failed = ErrBodyTooLarge
		return 0, i.failed
	}
	if err != nil && !errors.Is(err, io.EOF) {
		i.failed = errors.Join(ErrBodyLost, err)
		return n, i.failed
	}
	return n, err
}
