package webhook_test

import (
	"encoding/base64"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"unioncard/settlement/webhook"
)

// TestSignature holds the signature to the example that the specification's
// libraries are tested with.
func TestSignature(t *testing.T) {
	t.Parallel()
	secret, err := base64.StdEncoding.DecodeString("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	got := webhook.Signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), `{"test": 2432232314}`)
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("signature %s, want %s", got, want)
	}
}

// TestPublic: which addresses are sent to.
func TestPublic(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]bool{
		"1.1.1.1": true, "223.5.5.5": true, "100.63.255.255": true, "100.128.0.0": true, "172.15.0.1": true, "172.32.0.1": true,
		"169.253.0.1": true, "2400:3200::1": true, "2606:4700::1111": true, "::ffff:1.1.1.1": true,
		"0.0.0.0": false, "0.1.2.3": false, "10.1.2.3": false, "127.0.0.1": false, "127.255.0.1": false, "172.16.0.1": false, "172.31.255.255": false,
		"192.168.1.1": false, "169.254.169.254": false, "100.64.0.1": false, "100.100.100.200": false, "168.63.129.16": false,
		"192.0.0.8": false, "192.0.2.1": false, "198.18.0.1": false, "198.19.255.255": false, "198.51.100.7": false, "203.0.113.7": false,
		"224.0.0.1": false, "239.1.1.1": false, "240.0.0.1": false, "255.255.255.255": false,
		"::": false, "::1": false, "fe80::1": false, "fe80::1%eth0": false, "fc00::1": false, "fd00:ec2::254": false, "fec0::1": false, "ff02::1": false,
		"::ffff:127.0.0.1": false, "::ffff:10.0.0.1": false, "::127.0.0.1": false, "64:ff9b::7f00:1": false, "64:ff9b:1::1": false,
		"2002:7f00:1::1": false, "2001::1": false, "2001:db8::1": false, "3fff::1": false, "100::1": false,
	} {
		if got := webhook.Public(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: public %v, want %v", addr, got, want)
		}
	}
}

// TestCheckURL: what a form takes.
func TestCheckURL(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"https://pos.example.com/hooks?token=1": true, "https://pos.example.com:8443/": true, "https://1.1.1.1/": true,
		"https://[2606:4700::1111]/": true, "https://xn--fiqs8s.example/": true,
		"": false, "pos.example.com": false, "http://pos.example.com/": false, "ftp://pos.example.com/": false, "https:///x": false,
		"https://user:pw@pos.example.com/": false, "https://pos.example.com/#x": false, "https://127.0.0.1/": false, "https://LocalHost/": false,
		"https://localhost./": false, "https://x.localhost/": false, "https://[::1]/": false, "https://10.0.0.1:443/": false,
		"https://169.254.169.254/latest": false, "https://pos.example.com/a b": false, "https://pos.example.com/\n": false,
		"https:pos.example.com": false, "javascript:alert(1)": false, "https://pos.example.com/" + strings.Repeat("a", 500): false,
	} {
		if message := webhook.CheckURL(text, false); (message == "") != want {
			t.Errorf("%q: %q", text, message)
		}
	}
	for _, text := range []string{"http://127.0.0.1:8080/", "https://localhost/"} {
		if message := webhook.CheckURL(text, true); message != "" {
			t.Errorf("%q in development: %q", text, message)
		}
	}
}

// FuzzCheckURL: whatever is typed is judged, and what is taken is https.
func FuzzCheckURL(f *testing.F) {
	for _, s := range []string{"https://a.example/", "http://[::1", "https://%zz/", "https://\x00/", "//a", "https://a@b#c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if webhook.CheckURL(text, false) == "" && !strings.HasPrefix(strings.ToLower(text), "https://") {
			t.Errorf("%q was taken", text)
		}
	})
}

// TestPause: the pauses grow, and give a message about a day.
func TestPause(t *testing.T) {
	t.Parallel()
	var all time.Duration
	for n := 1; n <= 10; n++ {
		p := webhook.Pause(n)
		if n > 1 && n < 10 && p <= webhook.Pause(n-1)/2 {
			t.Errorf("pause %d is %v", n, p)
		}
		all += p
	}
	if all < 20*time.Hour || all > 28*time.Hour {
		t.Errorf("ten pauses are %v", all)
	}
}

// TestKept: an answer's beginning, always text of a bounded length.
func TestKept(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]string{"": "", " ok\n": "ok", "a\x00b\xff": "a b�", strings.Repeat("工", 300): strings.Repeat("工", 166)} {
		got := webhook.Kept([]byte(answer))
		if got != want || !utf8.ValidString(got) {
			t.Errorf("%q is kept as %q", answer, got)
		}
	}
}
