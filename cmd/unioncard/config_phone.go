package main

import (
	"errors"
	"fmt"

	"unioncard/card/phone/sms"
)

// How codes are sent by SMS.
const (
	smsConsole = "console"
	smsGateway = "gateway"
	smsOff     = "off"
)

// phoneConfig is what can be set of members' phones.
type phoneConfig struct {
	SMS         string // console, gateway, off or "": see smsWay
	GatewayURL  string
	KeyID       string
	Secret      string // what requests to the gateway are signed with
	Template    string
	AddressHour int // codes asked for from one network address in an hour
	Minute      int // codes in all in a minute
	Streams     int // open streams of events
}

// phoneSettings are those of members' phones.
func phoneSettings(nodes mode) []setting {
	optional := func(flag, usage string, field func(*Config) *string, check func(string) error) setting {
		return text(flag, "", nodes, usage, field, check)
	}
	return []setting{
		{flag: "sms", modes: nodes,
			usage: "how members get their codes: gateway, off, or console, which shows them to whoever operates the service; default gateway if its address is set, else off, in the demonstration console",
			set: func(c *Config, v string) error {
				if v != smsConsole && v != smsGateway && v != smsOff {
					return errors.New("want console, gateway or off")
				}
				c.Phone.SMS = v
				return nil
			},
			get: func(c Config) string { return c.Phone.SMS }},
		optional("sms-gateway", "address that takes messages by POST, as in https://sms.example.org/v1/messages; http only to a loopback address",
			func(c *Config) *string { return &c.Phone.GatewayURL }, checkGateway),
		optional("sms-key-id", "name of the key that requests to the gateway are signed with",
			func(c *Config) *string { return &c.Phone.KeyID }, anyText),
		hidden(optional("sms-secret", "the key itself, 16 characters or more",
			func(c *Config) *string { return &c.Phone.Secret }, checkSecret), "UNIONCARD_SMS_SECRET"),
		optional("sms-template", "the provider's name of the text",
			func(c *Config) *string { return &c.Phone.Template }, anyText),
		number("sms-address-hour", "600", nodes, 1, 10_000_000, "codes asked for from one network address in an hour; a mobile network hides many phones behind one",
			func(c *Config) *int { return &c.Phone.AddressHour }),
		number("sms-minute", "6000", nodes, 1, 10_000_000, "codes in all in a minute, past which only addresses get one that use those they get",
			func(c *Config) *int { return &c.Phone.Minute }),
		number("phone-streams", "5000", nodes, 1, 1_000_000, "phones a node tells at once what happens to their card",
			func(c *Config) *int { return &c.Phone.Streams }),
	}
}

// smsWay is how codes are sent: shown on the console only where somebody said so.
func (c Config) smsWay() string {
	switch {
	case c.Phone.SMS != "":
		return c.Phone.SMS
	case c.Phone.GatewayURL != "":
		return smsGateway
	case c.Demo:
		return smsConsole
	}
	return smsOff
}

// phoneTogether checks what one setting alone cannot show.
func (c Config) phoneTogether() (errs []error) {
	if c.smsWay() != smsGateway {
		return nil
	}
	for _, s := range []struct{ value, flag string }{
		{c.Phone.GatewayURL, "--sms-gateway"}, {c.Phone.KeyID, "--sms-key-id"}, {c.Phone.Secret, "UNIONCARD_SMS_SECRET"},
	} {
		if s.value == "" {
			errs = append(errs, fmt.Errorf("%s: needed to send codes through a gateway", s.flag))
		}
	}
	return errs
}

func checkGateway(v string) error {
	if _, err := sms.CheckURL(v); err != nil {
		return errors.New("want an https address; http only to a loopback address")
	}
	return nil
}

func checkSecret(v string) error {
	if len(v) < 16 {
		return errors.New("want 16 characters or more")
	}
	return nil
}
