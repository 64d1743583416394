package signing

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"unioncard/card/union/staff"
	"unioncard/merchant"
)

// What a caller branches on.
var (
	// ErrOwnProposal: nobody decides their own proposal.
	ErrOwnProposal = errors.New("signing: own proposal")
	// ErrNotYours: in the territory, but somebody else's to make, decide or withdraw.
	ErrNotYours = errors.New("signing: not this account's to do")
	// ErrStale: what the proposal is about has changed since it was made.
	ErrStale = errors.New("signing: changed since it was proposed")
	// ErrAlreadyWaiting: a proposal of this kind already waits for the object.
	ErrAlreadyWaiting = errors.New("signing: a proposal of this kind is waiting")
	// ErrNotApproved: nothing has been approved that is still as it was.
	ErrNotApproved = errors.New("signing: not approved")
	// ErrNotSigned: no stamped scan of what was approved has been uploaded.
	ErrNotSigned = errors.New("signing: not signed")
)

// State is where a proposal stands.
type State string

// The states of a proposal, as stored. All but waiting are final.
const (
	Waiting   State = "waiting"
	Approved  State = "approved"
	Declined  State = "declined"
	Withdrawn State = "withdrawn"
)

// moves is the state machine of a proposal; who may is in Decide and Withdraw.
var moves = map[string]State{"approve": Approved, "decline": Declined, "withdraw": Withdrawn}

// move makes one move of a proposal: only a waiting one moves.
func (p *Proposal) move(action string) (State, error) {
	to, ok := moves[action]
	if !ok || p.State != Waiting {
		return "", &merchant.MoveError{Object: p.object(), From: string(p.State), Action: action}
	}
	return to, nil
}

// Kind is one sort of proposal.
type Kind struct {
	Name  string      // "terms.publish"
	Title string      // for people, in Chinese
	Right staff.Right // what the maker needs
	// Fingerprint is a digest of what the maker and the checker see of the object
	// and the payload. It is taken when the proposal is made and again when it is
	// approved; nil means that only the payload counts.
	Fingerprint func(ctx context.Context, tx pgx.Tx, object string, payload json.RawMessage) (string, error)
	// Check refuses what could not be carried out, when the proposal is made and
	// again when it is approved; nil if nothing can be told before.
	Check func(ctx context.Context, tx pgx.Tx, object string, payload json.RawMessage) error
	// Apply carries an approved proposal out, in the approval's transaction; nil if
	// approving is all there is to it. by is the checker, with both reasons.
	Apply func(ctx context.Context, tx pgx.Tx, by merchant.By, p *Proposal) error
}

// Proposal is what somebody proposed and what became of it.
type Proposal struct {
	ID          int64
	Kind        string
	Title       string // of the kind
	Object      string // "contract:12"
	Merchant    string // of a contract, or of an outlet with its name; "" for other objects
	OfficeID    int64  // for which office
	Office      string // its name
	Path        string // its path in the union tree
	Payload     json.RawMessage
	Fingerprint string
	State       State
	MakerID     int64
	Maker       string // name
	Reason      string
	MadeAt      time.Time
	CheckerID   int64 // 0 while waiting; of a withdrawn one the maker
	Checker     string
	Decision    string // the reason given
	DecidedAt   time.Time
	CarriedAt   time.Time // when what was approved had been carried out; zero: not yet
}

func (p *Proposal) object() string { return "proposal:" + strconv.FormatInt(p.ID, 10) }

// ObjectID is the number in an object such as "contract:12"; false if its kind is
// another or it carries no number.
func ObjectID(object, kind string) (int64, bool) {
	s, ok := strings.CutPrefix(object, kind+":")
	if !ok {
		return 0, false
	}
	id, err := strconv.ParseInt(s, 10, 64)
	return id, err == nil && id > 0
}

// Decode reads the payload.
func (p *Proposal) Decode(into any) error {
	if err := json.Unmarshal(p.Payload, into); err != nil {
		return fmt.Errorf("signing: payload of proposal %d: %w", p.ID, err)
	}
	return nil
}

// maxReason is the longest reason in characters.
const maxReason = 500

// checkReason refuses a blank reason, and one that nobody reads.
func checkReason(reason string) error {
	var bad merchant.FieldErrors
	switch n := utf8.RuneCountInString(reason); {
	case strings.TrimSpace(reason) == "":
		bad.Add("reason", "请写明理由，以后查得到")
	case n > maxReason:
		bad.Add("reason", fmt.Sprintf("理由最多 %d 个字，现在有 %d 个", maxReason, n))
	}
	return bad.Err()
}

// actor is an account in the event log.
func actor(id int64) string { return "staff:" + strconv.FormatInt(id, 10) }
