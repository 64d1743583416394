package wire

import "strconv"

// Header is one request header.
type Header struct{ Name, Value string }

// AppendRequest appends a request with Content-Length framing to dst. A GET or any
// other request with a nil body carries no Content-Length.
func AppendRequest(dst []byte, method, path, host string, headers []Header, body []byte) []byte {
	dst = append(dst, method...)
	dst = append(dst, ' ')
	dst = append(dst, path...)
	dst = append(dst, " HTTP/1.1\r\nHost: "...)
	dst = append(dst, host...)
	for _, h := range headers {
		dst = append(dst, "\r\n"...)
		dst = append(dst, h.Name...)
		dst = append(dst, ": "...)
		dst = append(dst, h.Value...)
	}
	if body != nil {
		dst = append(dst, "\r\nContent-Type: application/json\r\nContent-Length: "...)
		dst = strconv.AppendInt(dst, int64(len(body)), 10)
	}
	dst = append(dst, "\r\n\r\n"...)
	return append(dst, body...)
}

// AppendChunked is AppendRequest with the body in chunks of at most size bytes, as
// a till's HTTP library sends a body whose length it does not know.
func AppendChunked(dst []byte, method, path, host string, headers []Header, body []byte, size int) []byte {
	all := append(append([]Header(nil), headers...),
		Header{"Content-Type", "application/json"}, Header{"Transfer-Encoding", "chunked"})
	dst = AppendRequest(dst, method, path, host, all, nil)
	for len(body) > 0 {
		n := min(size, len(body))
		dst = strconv.AppendInt(dst, int64(n), 16)
		dst = append(dst, "\r\n"...)
		dst = append(dst, body[:n]...)
		dst = append(dst, "\r\n"...)
		body = body[n:]
	}
	return append(dst, "0\r\n\r\n"...)
}
