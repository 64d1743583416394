package staff

import "time"

// Policy is what a deployment asks of accounts. The defaults follow 等保三级
// (GB/T 22239-2019 8.1.4.1): passwords of some complexity that are changed
// regularly, failures dealt with, idle sessions ended, and two factors.
type Policy struct {
	// SecondFactor asks everybody for a second factor. Without it only those are
	// asked who have one.
	SecondFactor bool

	MinLength int           // of a password, in characters
	Classes   int           // of lower case, upper case, digits and others, at least
	History   int           // earlier passwords that may not come again
	MaxAge    time.Duration // of a password; 0: no limit

	OneTime  time.Duration // a password set by somebody else is good that long
	Idle     time.Duration // a session unused for that long is over
	Absolute time.Duration // and in any case after that long

	Attempts int           // wrong guesses from one place at one account
	Window   time.Duration // in that time, and then none until it is over

	Hash HashParams
	// Hashing bounds the hashes computed at once, each of which takes Hash.Memory.
	Hashing int
}

// HashParams are argon2id's (RFC 9106).
type HashParams struct {
	Memory  uint32 // KiB
	Passes  uint32
	Threads uint8
}

// DefaultPolicy is the policy of a deployment that sets nothing. The hash's cost
// is OWASP's recommendation for argon2id.
func DefaultPolicy() Policy {
	return Policy{
		SecondFactor: true,
		MinLength:    10, Classes: 3, History: 5, MaxAge: 90 * 24 * time.Hour,
		OneTime: 72 * time.Hour, Idle: 30 * time.Minute, Absolute: 12 * time.Hour,
		Attempts: 5, Window: 15 * time.Minute,
		Hash: HashParams{Memory: 19 << 10, Passes: 2, Threads: 1}, Hashing: 4,
	}
}
