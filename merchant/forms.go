package merchant

import (
	"crypto/sha256"
	"fmt"

	"unioncard/merchant/terms"
)

// form is compiled Terms.
type form = terms.Compiled

// forms keeps compiled Terms by the hash of their canonical JSON, so that equal
// Terms are compiled and held once, and a change to one contract compiles
// nothing else's.
type forms struct {
	bySum map[[sha256.Size]byte]*form
	swept int // how many were left by the last sweep
}

// compile returns the compiled form of Terms that the database holds.
func (f *forms) compile(sum [sha256.Size]byte, doc []byte) (*form, error) {
	if c, ok := f.bySum[sum]; ok {
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
	if f.bySum == nil {
		f.bySum = map[[sha256.Size]byte]*form{}
	}
	f.bySum[sum] = c
	return c, nil
}

// sweep forgets what no contract and no floor in view has, now and then.
func (f *forms) sweep(in *Snapshot) {
	const slack = 1000
	if len(f.bySum) < 2*f.swept+slack {
		return
	}
	held := make(map[[sha256.Size]byte]*form, len(f.bySum)/2)
	in.contracts.each(func(_ int64, c *Contract) {
		for _, v := range c.versions {
			if v.Terms != nil {
				held[v.SHA256] = v.Terms
			}
		}
	})
	for _, fl := range in.floors {
		if fl.Terms != nil {
			held[fl.SHA256] = fl.Terms
		}
	}
	f.bySum, f.swept = held, len(held)
}
