package portal

import (
	"net/url"
	"strings"
	"testing"
)

// FuzzNext: whatever a form says, a sign-in leads to a page of the portal.
func FuzzNext(f *testing.F) {
	for _, s := range []string{"/portal", "/portal/users?x=1", "//evil.example", "/portal/../console", "https://evil.example/portal", "/portal/login", "/portalx", "\\\\x", "/portal/%2e%2e/x", "/portal//x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := safeNext(s)
		u, err := url.Parse(got)
		if err != nil || u.Host != "" || u.Scheme != "" || u.Path != "/portal" && !strings.HasPrefix(u.Path, "/portal/") ||
			strings.ContainsAny(got, "\r\n\\") || strings.Contains(u.Path, "..") || strings.HasPrefix(u.Path, "/portal/login") {
			t.Errorf("%q leads to %q", s, got)
		}
	})
}

// FuzzPosition: whatever is typed as a position is refused, nothing, or in China.
func FuzzPosition(f *testing.F) {
	for _, s := range []string{"", "113.6653,34.7579", "113.6653，34.7579", "34,113", "NaN,NaN", "1e400,34", ",", "113,34,5", "0x1p6,34"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		lon, lat, err := position(s)
		if (lon == nil) != (lat == nil) || err != nil && lon != nil || lon != nil && !(*lon >= 73 && *lon <= 136 && *lat >= 3 && *lat <= 54) {
			t.Errorf("%q: %v %v %v", s, lon, lat, err)
		}
	})
}
