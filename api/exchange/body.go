package exchange

import (
	"errors"
	"io"
	"mime"
	"slices"
	"strings"
)

// Media is the type a route's body must have.
type Media string

// The media types that routes take.
const (
	NoBody    Media = ""
	MediaJSON Media = "application/json"
	MediaForm Media = "application/x-www-form-urlencoded"
	// MediaUpload is a form with files.
	MediaUpload Media = "multipart/form-data"
)

// CheckBody refuses a body of another type or declared to be larger than limit
// bytes, before any of it is read: ErrMediaType, ErrBodyTooLarge.
func (x *Exchange) CheckBody(want Media, limit int) error {
	r := x.Gin.Request
	if want == NoBody {
		return nil
	}
	if want == MediaStream {
		want = MediaUpload
	}
	header := r.Header["Content-Type"]
	if len(header) != 1 || header[0] != string(want) && !sameMedia(header[0], want) {
		return ErrMediaType
	}
	if enc := r.Header["Content-Encoding"]; len(enc) > 0 && (len(enc) > 1 || !strings.EqualFold(enc[0], "identity")) {
		return ErrMediaType
	}
	if r.ContentLength > int64(limit) {
		return ErrBodyTooLarge
	}
	return nil
}

func sameMedia(header string, want Media) bool {
	media, params, err := mime.ParseMediaType(header)
	if err != nil || media != string(want) {
		return false
	}
	for name, value := range params {
		if want == MediaUpload && name == "boundary" {
			continue
		}
		if name != "charset" || !strings.EqualFold(value, "utf-8") {
			return false
		}
	}
	return true
}

// firstRead is the most that is set aside for a body before any of it is there,
// in bytes.
const firstRead = 64 << 10

// ReadBody reads the body, at most limit bytes, into Body. The declared length is
// only a client's word: memory beyond firstRead is taken as the body arrives, so
// that announcing a large one and sending nothing holds none.
func (x *Exchange) ReadBody(limit int) error {
	r := x.Gin.Request
	if r.Body == nil {
		return nil
	}
	// One byte more than declared, so that the last read also sees the end.
	if n := int(min(r.ContentLength+1, firstRead)); n > cap(x.Body) {
		x.Body = make([]byte, 0, n)
	}
	for {
		if len(x.Body) == cap(x.Body) {
			x.Body = slices.Grow(x.Body, max(len(x.Body), 512))
		}
		n, err := r.Body.Read(x.Body[len(x.Body):cap(x.Body)])
		x.Body = x.Body[:len(x.Body)+n]
		if len(x.Body) > limit {
			return ErrBodyTooLarge
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return errors.Join(ErrBodyLost, err)
		}
	}
}
