package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

type got struct {
	Status int
	Body   string
	Close  bool
	N      int
}

func TestParse(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		in   string
		want got
	}{
		"length":         {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP", got{200, "abc", false, 41}},
		"case":           {"HTTP/1.1 409 Conflict\r\ncontent-LENGTH:2\r\n\r\nno", got{409, "no", false, 45}},
		"close":          {"HTTP/1.1 503 x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", got{503, "", true, 56}},
		"http10":         {"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", got{200, "", true, 38}},
		"no content":     {"HTTP/1.1 204 No Content\r\n\r\nHTTP", got{204, "", false, 27}},
		"chunks":         {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n", got{200, "abc0123456789", false, 79}},
		"trailer":        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX: y\r\n\r\n", got{200, "a", false, 64}},
		"after continue": {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 1\r\n\r\nz", got{201, "z", false, 69}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for cut := range c.want.N { // every prefix is incomplete and stays untouched
				prefix := []byte(c.in[:cut])
				if _, _, err := Parse(prefix); !errors.Is(err, ErrIncomplete) {
					t.Fatalf("prefix of %d bytes: err = %v, want ErrIncomplete", cut, err)
				}
				if string(prefix) != c.in[:cut] {
					t.Fatalf("prefix of %d bytes was changed", cut)
				}
			}
			a, n, err := Parse([]byte(c.in))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got{a.Status, string(a.Body), a.Close, n}); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for _, in := range []string{
		"SSH-2.0-OpenSSH\r\n\r\n",
		"HTTP/1.1 2x0 OK\r\n\r\n",
		"HTTP/1.1 200 OK\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
		strings.Repeat("x", maxHeader+1),
	} {
		if _, _, err := Parse([]byte(in)); err == nil || errors.Is(err, ErrIncomplete) {
			t.Errorf("Parse(%.40q): err = %v, want a refusal", in, err)
		}
	}
}

// TestConnProperty: however answers are framed, split and glued together on their
// way, the connection hands out the same ones in the same order.
func TestConnProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		bodies := rapid.SliceOfN(rapid.StringN(0, 40, -1), 1, 6).Draw(t, "bodies")
		var stream []byte
		for i, b := range bodies {
			stream = append(stream, frame(b, rapid.IntRange(0, 7).Draw(t, fmt.Sprint("chunk", i)))...)
		}
		step := rapid.IntRange(1, len(stream)).Draw(t, "step")
		near, far := net.Pipe()
		defer near.Close()
		go func() {
			defer far.Close()
			for rest := stream; len(rest) > 0; {
				n := min(step, len(rest))
				if _, err := far.Write(rest[:n]); err != nil {
					return
				}
				rest = rest[n:]
			}
		}()
		c := NewConn(near)
		for i, want := range bodies {
			a, err := c.Read()
			if err != nil {
				t.Fatalf("answer %d: %v", i, err)
			}
			if string(a.Body) != want {
				t.Fatalf("answer %d: body %q, want %q", i, a.Body, want)
			}
		}
		if _, err := c.Read(); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("after the last answer: err = %v", err)
		}
	})
}

// frame writes an answer; chunk 0 means Content-Length.
func frame(body string, chunk int) []byte {
	if chunk == 0 {
		return fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	}
	out := []byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
	for len(body) > 0 {
		n := min(chunk, len(body))
		out = fmt.Appendf(out, "%x\r\n%s\r\n", n, body[:n])
		body = body[n:]
	}
	return append(out, "0\r\n\r\n"...)
}

// TestAgainstNetHTTP speaks with the standard library's server: both request
// framings, small and large answers.
func TestAgainstNetHTTP(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("X-Method", r.Method+" "+r.Header.Get("X-Till"))
		_, _ = w.Write(bytes.Repeat(body, 3))
	}))
	defer srv.Close()
	addr := srv.Listener.Addr().String()
	c, err := Dial(addr, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	headers := []Header{{"X-Till", "7"}}
	for _, size := range []int{1, 100, 5000, 300000} {
		body := bytes.Repeat([]byte("k"), size)
		for name, req := range map[string][]byte{
			"length":  AppendRequest(nil, "POST", "/x", addr, headers, body),
			"chunked": AppendChunked(nil, "POST", "/x", addr, headers, body, 4096),
		} {
			a, err := c.Do(req, 5*time.Second)
			if err != nil {
				t.Fatalf("%s %d: %v", name, size, err)
			}
			if a.Status != 200 || len(a.Body) != 3*size || a.Header("x-method") != "POST 7" {
				t.Errorf("%s %d: status %d, %d bytes, X-Method %q", name, size, a.Status, len(a.Body), a.Header("x-method"))
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"))
	f.Fuzz(func(t *testing.T, in []byte) {
		a, n, err := Parse(bytes.Clone(in))
		if err == nil && (n <= 0 || n > len(in) || len(a.Body) > n || a.Status < 200) {
			t.Fatalf("Parse took %d of %d bytes, status %d, body %d", n, len(in), a.Status, len(a.Body))
		}
	})
}
