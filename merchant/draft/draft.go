// Package draft keeps Terms that are still being written: one draft a contract,
// and one a floor, with every state it went through lately.
//
// A draft has a version that rises with every save. Who saves says which version
// they started from; if somebody else saved meanwhile the save is refused with a
// ConflictError that tells what changed (two clerks, one draft). A draft always
// holds valid Terms, perhaps without offers; whether they may be published is
// decided elsewhere (merchant.Store.CheckTerms, PublishTerms).
//
// The version never falls back, not even when a draft is discarded and begun
// again, so a proposal can pin what its checker saw by version or by SHA-256.
package draft

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"unioncard/merchant"
	"unioncard/merchant/terms"
)

// MaxBytes is the largest draft in its canonical form, in bytes.
const MaxBytes = terms.MaxDocument

// keep is how many states of a draft are kept.
const keep = 60

var (
	// ErrNotFound: the object has no draft, or not that version of it any more.
	ErrNotFound = errors.New("draft: no draft")
	// ErrConflict: somebody else saved meanwhile. Errors of this kind are a
	// *ConflictError.
	ErrConflict = errors.New("draft: saved by somebody else meanwhile")
)

// Draft is one state of a draft.
type Draft struct {
	Object string // "contract:12", "floor:trade:shopping", "floor:brand:X"
	// Version is 1 and up; 0 says that there is no draft yet.
	Version int32
	Terms   *terms.Terms
	SHA256  [sha256.Size]byte // of the canonical JSON, as publishing computes it
	Actor   string            // who saved: "staff:12"
	At      time.Time
}

// ConflictError says what the draft holds now and how that differs from the
// version that the refused save was based on.
type ConflictError struct {
	Now *Draft // Version counts; Terms is nil if it was discarded
	// Changes leads from the version that was expected to Now. Known is false if
	// that version is no longer kept.
	Changes terms.Changes
	Known   bool
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("draft: %s is at version %d, saved by %s", e.Now.Object, e.Now.Version, e.Now.Actor)
}

// Is makes errors.Is(err, ErrConflict) true.
func (e *ConflictError) Is(target error) bool { return target == ErrConflict }

// ContractObject names a contract's draft.
func ContractObject(id int64) string { return "contract:" + strconv.FormatInt(id, 10) }

// FloorObject names the draft of a trade's or a brand's floor; one of them is "".
func FloorObject(trade merchant.Trade, brand string) string {
	if brand != "" {
		return "floor:brand:" + brand
	}
	return "floor:trade:" + string(trade)
}

var objectName = regexp.MustCompile(`^(contract:[1-9][0-9]{0,18}|floor:trade:[a-z]{1,20}|floor:brand:[^\x00-\x1f]{1,200})$`)

// checkObject refuses what names no draft.
func checkObject(object string) error {
	if !objectName.MatchString(object) {
		return &merchant.InvalidError{Field: "object", Detail: fmt.Sprintf("%.60q names no draft", object)}
	}
	return nil
}
