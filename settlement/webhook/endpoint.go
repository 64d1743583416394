package webhook

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"unioncard/merchant"
)

// State of an endpoint, as stored.
type State string

// The states.
const (
	Active   State = "active"
	Paused   State = "paused"
	Disabled State = "disabled"
	Deleted  State = "deleted"
)

// Why an endpoint was disabled.
const (
	WhyFailing = "failing" // nothing came through for 24 hours
	WhyGone    = "gone"    // it answered 410
)

// Event is what an endpoint can be told.
type Event struct {
	Type  string // "purchase.committed"
	Title string // Chinese
}

// Events lists what there is to tell, in the order of a form.
func Events() []Event {
	return []Event{
		{"purchase.committed", "成交"}, {"purchase.voided", "当日撤销"}, {"purchase.reversed", "冲正"}, {"purchase.refunded", "退款"},
		{"statement.closed", "结算单生成"}, {"statement.paid", "结算款已付"},
	}
}

// TestEvent is the type of the message that a merchant sends to try its endpoint.
const TestEvent = "webhook.test"

// Endpoint is where a merchant wants to be told.
type Endpoint struct {
	ID, MerchantID int64
	Name, URL      string
	Events         []string
	State          State
	Why            string     // WhyFailing, WhyGone or ""
	StoppedAt      *time.Time // when it was paused or disabled
	Failures       int        // attempts failed in a row
	FailingSince   *time.Time
	HeldUntil      *time.Time // only a probe is sent before
	OldUntil       *time.Time // until when the replaced secret signs, too
	Version        int64
	CreatedAt      time.Time
	Waiting        int64 // messages, at most countUpTo
}

// Draft is what a person says of an endpoint.
type Draft struct {
	Name, URL string
	Events    []string
}

const (
	maxName = 40  // characters
	maxURL  = 500 // bytes
)

// check refuses with FieldErrors what can't be an endpoint, and tidies the rest.
func (d *Draft) check(private bool) error {
	var faults merchant.FieldErrors
	d.Name, d.URL = strings.TrimSpace(d.Name), strings.TrimSpace(d.URL)
	if n := utf8.RuneCountInString(d.Name); n == 0 || n > maxName || !utf8.ValidString(d.Name) || strings.ContainsFunc(d.Name, control) {
		faults.Add("name", "请填写名称，不超过40个字，例如“收银系统”。")
	}
	if message := checkURL(d.URL, private); message != "" {
		faults.Add("url", message)
	}
	var events []string
	for _, e := range Events() {
		if slices.Contains(d.Events, e.Type) {
			events = append(events, e.Type)
		}
	}
	if len(events) == 0 {
		faults.Add("events", "请至少选一种要推送的事件。")
	}
	d.Events = events
	return faults.Err()
}

func control(r rune) bool { return r < ' ' || r == 0x7f }

// checkURL says, in Chinese, what is wrong with an address; "" if nothing is. What
// a name leads to is judged at every connection, an address written out here, too,
// so that a clerk learns it at once.
func checkURL(text string, private bool) string {
	u, err := url.Parse(text)
	switch {
	case text == "" || len(text) > maxURL:
		return "请填写推送地址，不超过500个字符。"
	case err != nil || u.Hostname() == "" || u.Opaque != "" || strings.ContainsFunc(text, func(r rune) bool { return control(r) || r == ' ' }):
		return "这不是网址，应形如 https://pos.example.com/hooks。"
	case u.Scheme != "https" && (u.Scheme != "http" || !private):
		return "推送地址要以 https:// 开头，明文地址会泄露交易。"
	case u.User != nil:
		return "网址里不要写用户名和密码。"
	case u.Fragment != "":
		return "网址里不要有 # 以后的部分。"
	}
	host := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	if private {
		return ""
	}
	if addr, err := netip.ParseAddr(host); err == nil && !public(addr) || host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return "这是内部网络的地址，从这里推送不到。请填写公网地址。"
	}
	return ""
}
