package merchant

import (
	"crypto/sha256"
	"fmt"

	"unioncard/merchant/terms"
)

// forms keeps compiled Terms by the hash of their canonical JSON, so that equal
// Terms are compiled and held once, and a change to one contract compiles
// nothing else's.
type forms map[[sha256.Size]byte]*terms.Compiled

// compile returns the compiled form of Terms that the database holds.
func (f forms) compile(sum [sha256.Size]byte, doc []byte) (*terms.Compiled, error) {
	if c, ok := f[sum]; ok {
		return c, nil
	}
	parsed, err := terms.Parse(doc)
	if err != nil {
		return nil, fmt.Errorf("merchant: stored terms: %w", err)
	}
	c, err := parsed.Compile()
	if err != nil {
		return nil, fmt.Errorf("merchant: stored terms: %w", err)
	}
	f[sum] = c
	return c, nil
}
