package application

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card/union/event"
	"unioncard/merchant"
)

// notFound turns "no rows" into merchant.ErrNotFound and names the statement.
func notFound(what string, err error) error {
	if err == nil || errors.Is(err, pgx.ErrNoRows) {
		return merchant.ErrNotFound
	}
	return fmt.Errorf("application: %s: %w", what, err)
}

// Moves lists what may be done with an application now.
func (a *Application) Moves(applicant bool) []merchant.StageMove {
	return slices.DeleteFunc(merchant.StageMoves(a.Stage), func(m merchant.StageMove) bool {
		return applicant && !m.Applicant || a.Stage == merchant.StageNegotiating
	})
}

// Move makes a move of the table in merchant/lifecycle.go other than accept, on
// the version that was seen: ConflictError. Returning and rejecting need a reason
// and what to do about it, which the applicant reads; submitting needs a whole
// document and from the applicant the files: merchant.FieldErrors. MoveError. The
// row's lock keeps two moves apart.
func (s *Store) Move(ctx context.Context, by merchant.By, id, version int64, action, fix string, applicant bool) error {
	fix = strings.TrimSpace(fix)
	return s.change(ctx, func(tx pgx.Tx) error {
		a, err := s.lockAt(ctx, tx, id, version)
		if err != nil {
			return err
		}
		m, err := merchant.NextStage(a.Object(), a.Stage, action)
		if err != nil || action == "accept" || !slices.Contains(a.Moves(applicant), m) {
			return &merchant.MoveError{Object: a.Object(), From: string(a.Stage), Action: action}
		}
		reason := ""
		switch action {
		case "submit":
			err = s.mayBeSubmitted(ctx, tx, a, applicant)
		case "return", "reject":
			reason, err = strings.TrimSpace(by.Reason), told(by.Reason, fix)
		default:
			fix = ""
		}
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE applications SET status = $2, reason = $3, fix = $4, version = version + 1,
			updated_at = clock_timestamp(), submitted_at = CASE WHEN $5 THEN clock_timestamp() ELSE submitted_at END
			WHERE id = $1`, id, m.To, reason, fix, action == "submit")
		if err != nil {
			return fmt.Errorf("application: %s: %w", action, err)
		}
		return event.Record(ctx, tx, by.Actor, "application."+action, a.Object(), by.Reason,
			map[string]any{"status": a.Stage, "version": version}, map[string]any{"status": m.To, "version": version + 1})
	})
}

func (s *Store) mayBeSubmitted(ctx context.Context, tx pgx.Tx, a *Application, applicant bool) error {
	if err := a.Doc.Check(true); err != nil {
		return err
	}
	if !applicant {
		return nil // staff may have it on paper; the checklist asks for it
	}
	files, err := s.Files.ListTx(ctx, tx, a.Object())
	if err != nil {
		return err
	}
	var e merchant.FieldErrors
	if missing := MissingFiles(a.Doc.Trade, files); len(missing) > 0 {
		e.Add("files", "还差这些材料："+strings.Join(missing, "、")+"。上传后再提交。")
	}
	return e.Err()
}

// told asks for what the applicant is to read.
func told(reason, fix string) error {
	var e merchant.FieldErrors
	text(&e, "reason", strings.TrimSpace(reason), maxNote, true, "请写明理由，商家会看到。")
	text(&e, "fix", fix, maxNote, true, "请写明商家该怎么做，商家会看到。")
	return e.Err()
}

// Acceptance is what accepting an application needs.
type Acceptance struct {
	ValidFrom, ValidUntil time.Time // of the contract; until exclusive
	RefundTail            time.Duration
	FloorClause           bool
	// MerchantID is a merchant of the same office and code to which the contract
	// goes; 0: a new one.
	MerchantID int64
}

// Accept makes a merchant, its outlets and a draft contract of an application in
// review whose required checks are all ticked, and links them, in one
// transaction. Joined with a merchant whose contract is in force, it makes no
// contract: its outlets belong to that one, whose id it returns, and stay unopened
// until a second person opens them. ConflictError, MoveError; merchant.FieldErrors for what is still
// open, a company that may not come back yet, or one that is a merchant of this
// office already (give its id); merchant.ErrNotFound for an id of another one.
// The row's lock lets it happen once.
func (s *Store) Accept(ctx context.Context, by merchant.By, id, version int64, acc Acceptance) (contractID int64, err error) {
	err = s.change(ctx, func(tx pgx.Tx) error {
		a, err := s.lockAt(ctx, tx, id, version)
		if err != nil {
			return err
		}
		m, err := merchant.NextStage(a.Object(), a.Stage, "accept")
		if err != nil {
			return err
		}
		if err := s.mayBeAccepted(ctx, tx, a, &acc); err != nil {
			return err
		}
		store := merchant.NewStore(tx, s.Clock)
		if contractID, err = s.inForce(ctx, tx, acc.MerchantID); err != nil {
			return err
		}
		merchantID, err := s.admit(ctx, tx, store, by, a, acc.MerchantID, contractID != 0)
		if err != nil {
			return err
		}
		if contractID == 0 {
			contractID, err = store.CreateContract(ctx, by, merchant.NewContract{
				MerchantID: merchantID, OfficeID: a.OfficeID, ValidFrom: acc.ValidFrom, ValidUntil: acc.ValidUntil,
				RefundTail: acc.RefundTail, FloorClause: acc.FloorClause})
			if err != nil {
				return err
			}
		}
		_, err = tx.Exec(ctx, `UPDATE applications SET status = $2, merchant_id = $3, contract_id = $4, reason = '', fix = '',
			version = version + 1, updated_at = clock_timestamp() WHERE id = $1`, id, m.To, merchantID, contractID)
		if err != nil {
			return fmt.Errorf("application: accept: %w", err)
		}
		return event.Record(ctx, tx, by.Actor, "application.accept", a.Object(), by.Reason,
			map[string]any{"status": a.Stage, "version": version},
			map[string]any{"status": m.To, "version": version + 1, "merchant": merchantID, "contract": contractID})
	})
	return contractID, err
}

// mayBeAccepted holds an application to the checklist, the re-entry rule and the
// contract's days.
func (s *Store) mayBeAccepted(ctx context.Context, tx pgx.Tx, a *Application, acc *Acceptance) error {
	if err := a.Doc.Check(true); err != nil {
		return err
	}
	var e merchant.FieldErrors
	r, err := s.review(ctx, tx, a)
	if err != nil {
		return err
	}
	if open := r.Open(); len(open) > 0 {
		e.Add("checklist", "核对清单还有没完成的："+strings.Join(open, "、")+"。")
	}
	const longest = merchant.MaxYears
	switch {
	case acc.ValidFrom.IsZero() || acc.ValidUntil.IsZero():
		e.Add("valid_from", "请填写协议的起止日期。")
	case !acc.ValidUntil.After(acc.ValidFrom):
		e.Add("valid_until", "结束日期要晚于开始日期。")
	case acc.ValidUntil.After(acc.ValidFrom.AddDate(longest, 0, 1)):
		e.Add("valid_until", fmt.Sprintf("协议最长 %d 年。", longest))
	case !acc.ValidUntil.After(s.Clock()):
		e.Add("valid_until", "结束日期已经过去了。")
	}
	if err := lockCode(ctx, tx, a.Doc.Code); err != nil {
		return err
	}
	twins, err := s.duplicates(ctx, tx, a)
	if err != nil {
		return err
	}
	for _, d := range twins {
		switch {
		case !d.Barred.IsZero():
			e.Add("reentry", "这家商家曾因违约违规被终止协议，"+d.Barred.In(beijing).Format(time.DateOnly)+" 以前不能重新入网。")
		case d.Kind == "merchant" && d.OfficePath == a.OfficePath && acc.MerchantID == 0 &&
			slices.Contains(d.Matches, SameCode) && d.Status != string(merchant.MerchantExited):
			e.Add("merchant_id", "本单位已有同一统一社会信用代码的商家，请选择把协议签在它名下。")
		}
	}
	return e.Err()
}

// admit registers the merchant with its details and outlets, or adds what is new
// to an existing one of the same office and code, unopened if asked.
func (s *Store) admit(ctx context.Context, tx pgx.Tx, store *merchant.Store, by merchant.By, a *Application, existing int64, unopened bool) (id int64, err error) {
	d := &a.Doc
	there := map[string]bool{}
	if id = existing; id == 0 {
		id, err = store.CreateMerchant(ctx, by, merchant.NewMerchant{OfficeID: a.OfficeID, Name: d.LegalName,
			Brand: d.Brand, Trade: d.Trade, UnionOwned: d.Trade == merchant.TradeUnion})
		if err != nil {
			return 0, err
		}
		if err := s.putDetails(ctx, tx, by, id, 0, Details{Code: d.Code, Contact: d.Contact, Bank: d.Bank}, d.LegalName); err != nil {
			return 0, err
		}
	} else if there, err = ownOutlets(ctx, tx, a, id); err != nil {
		return 0, err
	}
	for _, o := range d.Outlets {
		if there[addressKey(o.Address)] {
			continue
		}
		_, err := store.CreateOutlet(ctx, by, merchant.NewOutlet{MerchantID: id, Name: o.Name, Address: o.Address,
			Territory: o.Territory, Lon: o.Lon, Lat: o.Lat, Unopened: unopened})
		if err != nil {
			return 0, err
		}
	}
	return id, nil
}
