package open

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"

	"unioncard/api/exchange"
)

// How long answers may be kept without asking again.
const (
	// cacheNone: asked again each time, so that a delisting shows at once; a
	// browser that has the answer gets 304.
	cacheNone = "no-cache"
	// cacheLong is for what changes with a release or a change of the territory.
	cacheLong = "public, max-age=300"
)

// share lets pages of any site read the answer, errors too.
func share(x *exchange.Exchange) {
	x.SetHeader("Access-Control-Allow-Origin", "*")
	x.SetHeader("Access-Control-Expose-Headers", "ETag, X-Request-Id")
	x.SetHeader("X-Content-Type-Options", "nosniff")
}

// sendCached completes an answer in x.Out: its ETag, how long it may be kept, and
// 304 for who has it already (RFC 9110).
func sendCached(x *exchange.Exchange, cache string) error {
	etag := `"` + strconv.FormatUint(xxhash.Sum64(x.Out), 36) + `"`
	x.SetHeader("ETag", etag)
	x.SetHeader("Cache-Control", cache)
	if has(x.Gin.Request.Header["If-None-Match"], etag) {
		x.Status, x.ContentType, x.Out = http.StatusNotModified, nil, x.Out[:0]
	}
	return nil
}

// has says whether an If-None-Match names the answer. Tags are compared weakly.
func has(header []string, etag string) bool {
	for _, line := range header {
		for tag := range strings.SplitSeq(line, ",") {
			if tag = strings.TrimSpace(tag); tag == "*" || strings.TrimPrefix(tag, "W/") == etag {
				return true
			}
		}
	}
	return false
}
