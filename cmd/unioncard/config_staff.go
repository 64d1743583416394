package main

import (
	"errors"
	"time"

	"unioncard/card/union/staff"
)

// staffSettings are those of accounts and sessions; the defaults stand in
// staff.DefaultPolicy.
func staffSettings(nodes mode) []setting {
	const day = 24 * time.Hour
	return []setting{
		{flag: "second-factor", modes: nodes,
			usage: "required or off: whether staff need a second factor to sign in; default required, off for the demonstration",
			set: func(c *Config, v string) error {
				if v != "required" && v != "off" {
					return errors.New("want required or off")
				}
				c.SecondFactor = v
				return nil
			},
			get: func(c Config) string { return c.SecondFactor }},
		number("password-length", "10", nodes, 8, 64, "characters of a password, at least",
			func(c *Config) *int { return &c.Staff.MinLength }),
		number("password-classes", "3", nodes, 1, 4, "of lower case, upper case, digits and signs a password has at least",
			func(c *Config) *int { return &c.Staff.Classes }),
		number("password-history", "5", nodes, 0, 24, "earlier passwords that may not come again",
			func(c *Config) *int { return &c.Staff.History }),
		duration("password-age", "2160h", nodes, 0, 10*365*day, "after which a password must be changed; 0s: never",
			func(c *Config) *time.Duration { return &c.Staff.MaxAge }),
		duration("password-one-time", "72h", nodes, time.Hour, 30*day, "for which a password set by an operator is good",
			func(c *Config) *time.Duration { return &c.Staff.OneTime }),
		duration("session-idle", "30m", nodes, time.Minute, day, "unused, after which a session is over",
			func(c *Config) *time.Duration { return &c.Staff.Idle }),
		duration("session-absolute", "12h", nodes, 5*time.Minute, 7*day, "after which a session is over in any case",
			func(c *Config) *time.Duration { return &c.Staff.Absolute }),
		number("sign-in-attempts", "5", nodes, 3, 100, "wrong passwords from one address at one account in 15 minutes",
			func(c *Config) *int { return &c.Staff.Attempts }),
		number("password-memory-kib", "19456", nodes, 8<<10, 1<<20, "memory that hashing one password takes (argon2id)",
			func(c *Config) *int { return &c.HashMemory }),
		number("password-passes", "2", nodes, 1, 64, "over that memory",
			func(c *Config) *int { return &c.HashPasses }),
		number("password-hashing", "4", nodes, 1, 64, "passwords hashed at once",
			func(c *Config) *int { return &c.Staff.Hashing }),
	}
}

// staffPolicy is what is asked of accounts.
func (c Config) staffPolicy() staff.Policy {
	p, preset := c.Staff, staff.DefaultPolicy()
	p.SecondFactor = c.SecondFactor == "required" || c.SecondFactor == "" && !c.Demo
	p.Window = preset.Window
	p.Hash = staff.HashParams{Memory: uint32(c.HashMemory), Passes: uint32(c.HashPasses), Threads: preset.Hash.Threads}
	return p
}
