package signing

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card/union/event"
	"unioncard/card/union/staff"
	"unioncard/merchant"
	"unioncard/merchant/draft"
	"unioncard/merchant/file"
)

// Contracts takes contracts from a draft of Terms to their being in force.
type Contracts struct {
	db        merchant.DB
	clock     func() time.Time
	proposals *Store
	files     *file.Store
}

// NewContracts returns the work on contracts; proposals has a kind of TermsKind
// (see Kinds).
func NewContracts(db merchant.DB, clock func() time.Time, proposals *Store, files *file.Store) *Contracts {
	return &Contracts{db: db, clock: clock, proposals: proposals, files: files}
}

// Kinds are this package's own kinds of proposals.
func Kinds(clock func() time.Time) []Kind { return []Kind{termsKind(clock), floorKind(clock)} }

func contractObject(id int64) string { return draft.ContractObject(id) }

// ProposeTerms proposes to publish a contract's draft of Terms. effective is when
// an amendment is to bind (zero: at once); a contract that is itself a draft binds
// from its start. Errors as Store.Propose; merchant.BelowFloorError with the
// basket that proves it, merchant.OverlapError, merchant.InvalidError,
// merchant.MoveError as publishing would; draft.ErrNotFound without a draft.
func (c *Contracts) ProposeTerms(ctx context.Context, maker *staff.Account, contract int64, effective time.Time, reason string) (int64, error) {
	object := contractObject(contract)
	k, err := merchant.NewStore(c.db, c.clock).Contract(ctx, contract)
	if err != nil {
		return 0, err
	}
	d, err := draft.NewStore(c.db, c.clock).Get(ctx, object)
	if err != nil {
		return 0, err
	}
	doc, err := d.Terms.Canonical()
	if err != nil {
		return 0, err
	}
	if k.Status == merchant.ContractDraft {
		effective = time.Time{}
	}
	return c.proposals.Propose(ctx, maker, TermsKind, object, k.OfficeID, TermsPayload{
		ContractID: contract, Draft: d.Version, SHA256: hex.EncodeToString(d.SHA256[:]), Effective: effective.UTC(), Terms: doc,
	}, reason)
}

// Signature is a stamped scan.
type Signature struct {
	ID          int64
	FileID      int64
	FileName    string
	TermsSHA256 string // in hex
	Staff       string // who uploaded it
	At          time.Time
}

// Standing is where a contract stands.
type Standing struct {
	Contract *merchant.Contract
	Stage    merchant.Stage
	Draft    *draft.Draft // nil without one
	Waiting  *Proposal    // to publish Terms; nil if none waits
	// Fresh: what waits is still what the draft says.
	Fresh bool
	// Approved is the approval that may be signed and published, nil without one
	// or once anything of it has changed; then Outdated.
	Approved  *Proposal
	Outdated  bool
	Agreement *Agreement // of what waits or was approved
	Signature *Signature // of Approved; nil without one
}

// Standing tells where a contract stands; merchant.ErrNotFound.
func (c *Contracts) Standing(ctx context.Context, contract int64) (s *Standing, err error) {
	err = c.look(ctx, func(tx pgx.Tx) error {
		s, err = c.standing(ctx, tx, contract, "")
		return err
	})
	return s, err
}

// look runs f in a transaction that is taken back.
func (c *Contracts) look(ctx context.Context, f func(tx pgx.Tx) error) error {
	tx, err := c.db.Begin(ctx)
	if err != nil {
		return fmt.Errorf("signing: begin: %w", err)
	}
	return errors.Join(f(tx), rollback(ctx, tx))
}

// standing is Standing in a transaction; lock is " FOR UPDATE OF p" to keep the
// approval as it is.
func (c *Contracts) standing(ctx context.Context, tx pgx.Tx, contract int64, lock string) (*Standing, error) {
	object := contractObject(contract)
	s := &Standing{}
	var err error
	if s.Approved, err = c.approval(ctx, tx, object, lock); err != nil && !errors.Is(err, merchant.ErrNotFound) {
		return nil, err
	}
	if s.Contract, err = merchant.NewStore(tx, c.clock).Contract(ctx, contract); err != nil {
		return nil, err
	}
	s.Draft, err = draft.NewStore(tx, c.clock).Get(ctx, object)
	if err != nil && !errors.Is(err, draft.ErrNotFound) {
		return nil, err
	}
	s.Waiting, err = c.proposals.one(ctx, tx, ` WHERE p.kind = $1 AND p.object = $2 AND p.state = 'waiting'`, TermsKind, object)
	if err != nil && !errors.Is(err, merchant.ErrNotFound) {
		return nil, err
	}
	if s.Waiting != nil {
		if s.Agreement, s.Fresh, err = c.agreed(ctx, tx, s.Waiting); err != nil {
			return nil, err
		}
	}
	if s.Approved != nil {
		a, same, err := c.agreed(ctx, tx, s.Approved)
		if err != nil {
			return nil, err
		}
		if !same {
			s.Approved, s.Outdated = nil, s.Waiting == nil
		} else if s.Agreement == nil {
			s.Agreement = a
		}
	}
	if s.Approved != nil {
		if s.Signature, err = readSignature(ctx, tx, s.Approved.ID); err != nil && !errors.Is(err, merchant.ErrNotFound) {
			return nil, err
		}
	}
	s.Stage = merchant.ContractStage(s.Contract.Status, s.Waiting != nil, s.Approved != nil)
	return s, nil
}

// approval reads the newest approval to publish a contract's Terms;
// merchant.ErrNotFound if there is none or it has been carried out.
func (c *Contracts) approval(ctx context.Context, tx pgx.Tx, object, lock string) (*Proposal, error) {
	p, err := c.proposals.one(ctx, tx, ` WHERE p.id = (SELECT max(id) FROM proposals
		WHERE kind = $1 AND object = $2 AND state = 'approved')`+lock, TermsKind, object)
	if err == nil && !p.CarriedAt.IsZero() {
		return nil, merchant.ErrNotFound
	}
	return p, err
}

// agreed is the agreement that a proposal is about, and whether everything is as
// it was then.
func (c *Contracts) agreed(ctx context.Context, tx pgx.Tx, p *Proposal) (*Agreement, bool, error) {
	var payload TermsPayload
	if err := p.Decode(&payload); err != nil {
		return nil, false, err
	}
	print, err := termsKind(c.clock).Fingerprint(ctx, tx, p.Object, p.Payload)
	if err != nil {
		return nil, false, err
	}
	a, err := readAgreement(ctx, tx, payload.ContractID, payload.Effective)
	if err != nil {
		return nil, false, err
	}
	a.TermsSHA256 = payload.SHA256
	return a, print == p.Fingerprint, nil
}

func readSignature(ctx context.Context, tx pgx.Tx, proposal int64) (*Signature, error) {
	var s Signature
	var sum []byte
	err := tx.QueryRow(ctx, `SELECT g.id, g.file_id, f.name, g.terms_sha256, a.name, g.at
		FROM signatures g JOIN files f ON f.id = g.file_id JOIN staff a ON a.id = g.staff_id
		WHERE g.proposal_id = $1 AND f.removed_at IS NULL ORDER BY g.id DESC LIMIT 1`, proposal).
		Scan(&s.ID, &s.FileID, &s.FileName, &sum, &s.Staff, &s.At)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, merchant.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("signing: signature: %w", err)
	}
	s.TermsSHA256 = hex.EncodeToString(sum)
	return &s, nil
}

// Scans lists the stamped scans of what a contract has agreed, the newest first.
func (c *Contracts) Scans(ctx context.Context, contract int64) ([]Signature, error) {
	rows, err := c.db.Query(ctx, `SELECT g.id, g.file_id, f.name, encode(g.terms_sha256, 'hex'), a.name, g.at
		FROM signatures g JOIN files f ON f.id = g.file_id JOIN staff a ON a.id = g.staff_id
		WHERE g.contract_id = $1 AND f.removed_at IS NULL ORDER BY g.id DESC LIMIT 100`, contract)
	if err != nil {
		return nil, fmt.Errorf("signing: scans: %w", err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Signature])
	if err != nil {
		return nil, fmt.Errorf("signing: scans: %w", err)
	}
	return out, nil
}

// hold reads who acts as they are now, and the contract's standing with its
// approval locked; it refuses who may not.
func (c *Contracts) hold(ctx context.Context, tx pgx.Tx, a *staff.Account, contract int64) (*Standing, *staff.Account, error) {
	s, err := c.standing(ctx, tx, contract, " FOR UPDATE OF p")
	if err != nil {
		return nil, nil, err
	}
	now, err := accountNow(ctx, tx, a.ID)
	if err != nil {
		return nil, nil, err
	}
	if err := c.proposals.maySee(ctx, tx, now, s.Contract.OfficeID); err != nil {
		return nil, nil, err
	}
	switch {
	case !now.May(staff.WriteContract):
		return nil, nil, ErrNotYours
	case s.Outdated:
		return nil, nil, ErrStale
	case s.Approved == nil || s.Waiting != nil:
		return nil, nil, ErrNotApproved
	}
	return s, now, nil
}

// Sign takes the stamped scan of the agreement that was approved. code is what
// stands at the foot of the paper (Agreement.Code): a print of anything else is
// refused with merchant.FieldErrors. ErrNotApproved, ErrStale, ErrNotYours. The
// approval's row lock keeps it apart from Publish.
func (c *Contracts) Sign(ctx context.Context, a *staff.Account, contract int64, code string, scan *file.Clean) error {
	return change(ctx, c.db, func(tx pgx.Tx) error {
		s, now, err := c.hold(ctx, tx, a, contract)
		if err != nil {
			return err
		}
		if code = strings.ToLower(strings.TrimSpace(code)); code != s.Agreement.Code() {
			var bad merchant.FieldErrors
			bad.Add("code", "与批准的协议不符：请核对纸面页脚“核验码”的后 8 位；若纸面是改动前打印的，请重新打印盖章")
			return bad.Err()
		}
		by := merchant.By{Actor: actor(now.ID), Reason: fmt.Sprintf("盖章协议（提请 %d）", s.Approved.ID)}
		f, err := c.files.PutClean(ctx, tx, by, contractObject(contract), "signature", scan)
		if err != nil {
			return err
		}
		sum, err := hex.DecodeString(s.Agreement.TermsSHA256)
		if err != nil {
			return fmt.Errorf("signing: hash: %w", err)
		}
		_, err = tx.Exec(ctx, `INSERT INTO signatures (proposal_id, contract_id, file_id, terms_sha256, staff_id, at)
			VALUES ($1, $2, $3, $4, $5, $6)`, s.Approved.ID, contract, f.ID, sum, now.ID, c.clock())
		if err != nil {
			return fmt.Errorf("signing: sign: %w", err)
		}
		return event.Record(ctx, tx, by.Actor, "contract.sign", contractObject(contract), by.Reason, nil,
			map[string]any{"proposal": s.Approved.ID, "file": f.ID, "terms_sha256": s.Agreement.TermsSHA256})
	})
}

// sameAgreement looks at the agreement once more, now that publishing holds the
// merchant's row: its days and its floor clause may have been edited after hold
// looked, and the paper says otherwise. ErrStale takes the publishing back.
func sameAgreement(ctx context.Context, tx pgx.Tx, was *Agreement, p *Proposal, payload *TermsPayload) error {
	a, err := readAgreement(ctx, tx, payload.ContractID, payload.Effective)
	if err != nil {
		return err
	}
	a.First, a.TermsSHA256 = was.First, payload.SHA256 // a draft is none any more
	print, err := a.Fingerprint()
	if err == nil && print != p.Fingerprint {
		return ErrStale
	}
	return err
}

// Publish carries out what was approved and signed: the Terms bind and a draft
// contract comes in force, in one transaction, so that every till obeys at once.
// It refuses Terms whose hash is not that of the approval and of the signature.
// ErrNotApproved, ErrNotSigned, ErrStale, ErrNotYours, and what
// merchant.Store.PublishTerms and ActivateContract refuse, floors that have risen
// meanwhile among it. The approval's row lock keeps two publishers apart.
func (c *Contracts) Publish(ctx context.Context, a *staff.Account, contract int64) (out *merchant.Published, err error) {
	err = again(ctx, c.db, func(tx pgx.Tx) error {
		s, now, err := c.hold(ctx, tx, a, contract)
		if err != nil {
			return err
		}
		p := s.Approved
		if s.Signature == nil {
			return ErrNotSigned
		}
		var payload TermsPayload
		if err := p.Decode(&payload); err != nil {
			return err
		}
		by := merchant.By{Actor: actor(now.ID), Reason: fmt.Sprintf("%s（提请 %d，%d 号账号批准）", p.Reason, p.ID, p.CheckerID)}
		if out, err = publish(ctx, tx, c.clock, by, &payload); err != nil {
			return err
		}
		if sum := hex.EncodeToString(out.SHA256[:]); sum != payload.SHA256 || sum != s.Signature.TermsSHA256 {
			return ErrStale
		}
		if err := sameAgreement(ctx, tx, s.Agreement, p, &payload); err != nil {
			return err
		}
		if s.Draft != nil {
			if err := draft.NewStore(tx, c.clock).Discard(ctx, by, contractObject(contract), s.Draft.Version); err != nil {
				return err
			}
		}
		_, err = tx.Exec(ctx, `UPDATE proposals SET carried_at = $2 WHERE id = $1`, p.ID, c.clock())
		if err != nil {
			return fmt.Errorf("signing: carry out: %w", err)
		}
		return nil
	})
	return out, err
}
