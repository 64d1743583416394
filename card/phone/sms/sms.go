// Package sms sends the codes by which members sign in on their phones: through a
// provider's gateway over HTTP, or, while developing, to the console.
//
// No error and no log record of this package holds a number or a code in full,
// but for the development sender, which is there to show them.
package sms

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"
)

// Message is one code on its way. It never prints itself.
type Message struct {
	// ID names the message; a message that is sent again has the same, by which a
	// provider can tell.
	ID    string
	Phone string // 11 digits
	Code  string // 6 digits
	Valid time.Duration
}

const redacted = "sms [redacted]"

func (Message) String() string { return redacted }

// GoString is String.
func (Message) GoString() string { return redacted }

// LogValue is String, for slog.
func (Message) LogValue() slog.Value { return slog.StringValue(redacted) }

// Sender sends messages. Send returns when the provider has taken the message, or
// why it has not; it gives up by itself.
type Sender interface {
	Send(ctx context.Context, m Message) error
}

// errRefused: the provider does not want the message, now or later.
var errRefused = errors.New("sms: refused by the gateway")

// Mask shows a number as 138****1234; what is shorter is all stars.
func Mask(phone string) string {
	if len(phone) != 11 {
		return "****"
	}
	return phone[:3] + "****" + phone[7:]
}

// Console is the development sender: whoever sees the console or the log can sign
// in as anybody, so it is never chosen by itself but in the demonstration.
type Console struct {
	to  io.Writer
	log *slog.Logger
}

// NewConsole returns a sender that writes to a console and to the log.
func NewConsole(to io.Writer, log *slog.Logger) *Console { return &Console{to, log} }

// Send shows the message: the number in full on the console only, as logs are
// kept and copied.
func (c *Console) Send(_ context.Context, m Message) error {
	c.log.Warn("SMS not sent but shown (development sender)", "phone", Mask(m.Phone), "code", m.Code)
	_, err := io.WriteString(c.to, "SMS to "+m.Phone+": code "+m.Code+", valid "+m.Valid.String()+"\n")
	return err
}
