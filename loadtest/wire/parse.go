// Package wire is the HTTP/1.1 the load client speaks: requests are bytes built
// beforehand, answers are parsed in place out of the connection's own buffer.
//
// It exists because client and server share the machine's cores: what net/http
// spends on a request would be charged to every server measured and would flatten
// the ratios between them. Only what an answer needs is understood: status line,
// Content-Length, chunked bodies (RFC 9112), Connection: close, 1xx answers.
package wire

import (
	"bytes"
	"errors"
	"fmt"
)

// maxHeader bounds the head of an answer, in bytes; a longer one is malformed.
const maxHeader = 64 << 10

// ErrIncomplete says that the buffer ends before the answer does: read more.
var ErrIncomplete = errors.New("wire: answer incomplete")

// Answer is one HTTP answer. Head and Body alias the buffer it was parsed from and
// are valid until that buffer is written to again.
type Answer struct {
	Status int
	Head   []byte // header lines, without the status line
	Body   []byte // decoded when the body was chunked
	Close  bool   // the server will close the connection after this answer
}

// Header returns the value of the first header of that name, "" if there is none.
func (a Answer) Header(name string) string {
	rest := a.Head
	for len(rest) > 0 {
		var line []byte
		line, rest = cutLine(rest)
		key, value, found := bytes.Cut(line, []byte(":"))
		if found && equalFold(key, name) {
			return string(bytes.TrimSpace(value))
		}
	}
	return ""
}

// Parse takes the first whole answer from buf and returns it with its length in
// bytes. ErrIncomplete means that buf is a prefix of an answer and was not changed;
// any other error that it can't be one. A chunked body is compacted inside buf.
func Parse(buf []byte) (Answer, int, error) {
	skipped := 0
	for {
		a, n, err := parseOne(buf[skipped:])
		if err != nil {
			return Answer{}, 0, err
		}
		skipped += n
		if a.Status >= 200 {
			return a, skipped, nil
		}
	}
}

func parseOne(buf []byte) (Answer, int, error) {
	end := bytes.Index(buf, []byte("\r\n\r\n"))
	if end < 0 {
		if len(buf) > maxHeader {
			return Answer{}, 0, fmt.Errorf("wire: head longer than %d bytes", maxHeader)
		}
		return Answer{}, 0, ErrIncomplete
	}
	statusLine, _ := cutLine(buf[:end+2])
	status, http10, err := parseStatus(statusLine)
	if err != nil {
		return Answer{}, 0, err
	}
	a := Answer{Status: status, Head: buf[len(statusLine)+2 : end+2], Close: http10}
	length, chunked, err := a.framing()
	if err != nil {
		return Answer{}, 0, err
	}
	start := end + 4
	switch {
	case status < 200 || status == 204 || status == 304:
		a.Body = buf[start:start]
		return a, start, nil
	case chunked:
		body, n, err := dechunk(buf[start:])
		if err != nil {
			return Answer{}, 0, err
		}
		a.Body = body
		return a, start + n, nil
	case length < 0:
		return Answer{}, 0, errors.New("wire: answer with neither Content-Length nor chunks")
	case len(buf)-start < length:
		return Answer{}, 0, ErrIncomplete
	}
	a.Body = buf[start : start+length]
	return a, start + length, nil
}

// parseStatus reads "HTTP/1.1 200 OK".
func parseStatus(line []byte) (status int, http10 bool, err error) {
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.")) || line[8] != ' ' {
		return 0, false, fmt.Errorf("wire: no status line: %.40q", line)
	}
	for _, c := range line[9:12] {
		if c < '0' || c > '9' {
			return 0, false, fmt.Errorf("wire: no status in %.40q", line)
		}
		status = status*10 + int(c-'0')
	}
	if status < 100 {
		return 0, false, fmt.Errorf("wire: no status in %.40q", line)
	}
	return status, line[7] == '0', nil
}

// framing reads how the body is delimited; length is -1 without Content-Length.
func (a *Answer) framing() (length int, chunked bool, err error) {
	length = -1
	rest := a.Head
	for len(rest) > 0 {
		var line []byte
		line, rest = cutLine(rest)
		colon := bytes.IndexByte(line, ':')
		switch colon {
		case len("content-length"):
			if equalFold(line[:colon], "content-length") {
				if length, err = parseLength(bytes.TrimSpace(line[colon+1:])); err != nil {
					return 0, false, err
				}
			}
		case len("transfer-encoding"):
			if equalFold(line[:colon], "transfer-encoding") {
				chunked = equalFold(bytes.TrimSpace(line[colon+1:]), "chunked")
			}
		case len("connection"):
			if equalFold(line[:colon], "connection") {
				a.Close = equalFold(bytes.TrimSpace(line[colon+1:]), "close")
			}
		}
	}
	return length, chunked, nil
}

func parseLength(digits []byte) (int, error) {
	if len(digits) == 0 || len(digits) > 10 {
		return 0, fmt.Errorf("wire: Content-Length %.20q", digits)
	}
	n := 0
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, fmt.Errorf("wire: Content-Length %.20q", digits)
		}
		n = n*10 + int(c-'0')
	}
	return n, nil
}

// dechunk decodes a chunked body. It walks to the last chunk before it moves a
// byte, so an incomplete body is left as it came.
func dechunk(buf []byte) (body []byte, n int, err error) {
	type span struct{ from, to int }
	var few [16]span
	spans, pos := few[:0], 0
	for {
		size, next, err := chunkSize(buf, pos)
		if err != nil {
			return nil, 0, err
		}
		pos = next
		if size == 0 {
			break
		}
		if len(buf)-pos < size+2 {
			return nil, 0, ErrIncomplete
		}
		if buf[pos+size] != '\r' || buf[pos+size+1] != '\n' {
			return nil, 0, errors.New("wire: chunk longer than its size")
		}
		spans = append(spans, span{pos, pos + size})
		pos += size + 2
	}
	for { // trailers, up to the empty line
		nl := bytes.Index(buf[pos:], []byte("\r\n"))
		if nl < 0 {
			return nil, 0, ErrIncomplete
		}
		pos += nl + 2
		if nl == 0 {
			break
		}
	}
	w := 0
	for _, s := range spans {
		w += copy(buf[w:], buf[s.from:s.to])
	}
	return buf[:w], pos, nil
}

// chunkSize reads the size line at pos and returns the size and where data begins.
func chunkSize(buf []byte, pos int) (size, next int, err error) {
	nl := bytes.Index(buf[pos:], []byte("\r\n"))
	if nl < 0 {
		if len(buf)-pos > 256 {
			return 0, 0, errors.New("wire: chunk size line too long")
		}
		return 0, 0, ErrIncomplete
	}
	line, _, _ := bytes.Cut(buf[pos:pos+nl], []byte(";")) // chunk extensions are ignored
	line = bytes.TrimSpace(line)
	if len(line) == 0 || len(line) > 7 {
		return 0, 0, fmt.Errorf("wire: chunk size %.20q", line)
	}
	for _, c := range line {
		d, ok := hexDigit(c)
		if !ok {
			return 0, 0, fmt.Errorf("wire: chunk size %.20q", line)
		}
		size = size<<4 | d
	}
	return size, pos + nl + 2, nil
}

func hexDigit(c byte) (int, bool) {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0'), true
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10, true
	}
	return 0, false
}

func cutLine(b []byte) (line, rest []byte) {
	i := bytes.Index(b, []byte("\r\n"))
	if i < 0 {
		return b, nil
	}
	return b[:i], b[i+2:]
}

// equalFold compares ASCII without regard to case and without allocating.
func equalFold(b []byte, s string) bool {
	if len(b) != len(s) {
		return false
	}
	for i, c := range b {
		d := s[i]
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		if d >= 'A' && d <= 'Z' {
			d |= 0x20
		}
		if c != d {
			return false
		}
	}
	return true
}
