package file

import (
	"net/url"
	"strconv"
	"strings"
)

// Headers are those of an answer with a file: never sniffed, in a sandbox without
// scripts, and saved rather than shown (RFC 6266, the name by RFC 5987). With
// inline an image is shown; a PDF is an attachment whatever is asked.
func (f *File) Headers(inline bool) map[string]string {
	disposition := "attachment"
	if inline && f.Media.Image() {
		disposition = "inline"
	}
	return map[string]string{
		"Content-Type":            string(f.Media),
		"Content-Length":          strconv.FormatInt(f.Size, 10),
		"Content-Disposition":     disposition + `; filename="file` + extensions[f.Media] + `"; filename*=UTF-8''` + escapeName(f.Name),
		"Content-Security-Policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
		"X-Content-Type-Options":  "nosniff",
		"Cache-Control":           "private, no-store",
		"Referrer-Policy":         "no-referrer",
		// Another site's page may not embed it.
		"Cross-Origin-Resource-Policy": "same-origin",
	}
}

// escapeName percent-encodes all but RFC 5987's attr-char: net/url leaves letters,
// digits and "-_.~" alone, which are among them, and writes a space as "+".
func escapeName(name string) string {
	return strings.ReplaceAll(url.QueryEscape(name), "+", "%20")
}
