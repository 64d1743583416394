package merchant

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"unioncard/card/feed"
	"unioncard/card/union/event"
)

// IssueActivationCode makes a one-time code with which one terminal of the
// outlet can register its key within ActivationLife. ErrOutletClosed,
// ErrMerchantExited or ErrNotFound if the outlet takes no terminals. Each code is
// a row of its own, so nothing needs protection.
func (s *Store) IssueActivationCode(ctx context.Context, by By, outletID int64) (ActivationCode, error) {
	var merchant int64
	err := s.db.QueryRow(ctx, `SELECT merchant_id FROM outlets WHERE id = $1`, outletID).Scan(&merchant)
	if err != nil {
		return ActivationCode{}, found("outlet", err)
	}
	return s.issueActivation(ctx, by, merchant, outletID)
}

// IssuePOSActivationCode is IssueActivationCode for a merchant's POS server,
// which acts for all its outlets.
func (s *Store) IssuePOSActivationCode(ctx context.Context, by By, merchantID int64) (ActivationCode, error) {
	return s.issueActivation(ctx, by, merchantID, 0)
}

func (s *Store) issueActivation(ctx context.Context, by By, merchant, outlet int64) (ActivationCode, error) {
	code, hash := newActivationCode()
	now := s.now()
	issued := ActivationCode{Code: code, ExpiresAt: now.Add(ActivationLife)}
	kind, object := "terminal", outletRows.object(outlet)
	if outlet == 0 {
		kind, object = "pos_server", merchantRows.object(merchant)
	}
	err := s.change(ctx, func(tx pgx.Tx) error {
		if err := mayHoldTerminals(ctx, tx, merchant, outlet); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `INSERT INTO activation_codes (code_hash, merchant_id, outlet_id, kind, created_by, created_at, expires_at)
			VALUES ($1, $2, nullif($3::bigint, 0), $4, $5, $6, $7)`, hash, merchant, outlet, kind, by.Actor, now, issued.ExpiresAt)
		if err != nil {
			return fmt.Errorf("merchant: issue activation code: %w", err)
		}
		return record(ctx, tx, by, "terminal.issue_code", object, nil,
			map[string]any{"kind": kind, "expires_at": issued.ExpiresAt})
	})
	if err != nil {
		return ActivationCode{}, err
	}
	return issued, nil
}

// IssueRekeyCode makes a one-time code with which a terminal that lost its key, or
// whose key may be known to others, registers a new one and stays the same
// terminal. The old key is good until the new one is registered: suspend the
// terminal if it leaked. Codes issued for it before and not used are void: whoever
// was given one by mistake can't take the terminal over. MoveError for a retired
// terminal. Each code is a row of its own, so nothing needs protection.
func (s *Store) IssueRekeyCode(ctx context.Context, by By, terminalID int64) (ActivationCode, error) {
	code, hash := newActivationCode()
	now := s.now()
	issued := ActivationCode{Code: code, ExpiresAt: now.Add(ActivationLife)}
	err := s.change(ctx, func(tx pgx.Tx) error {
		t, err := readTerminal(ctx, tx, terminalID)
		if err != nil {
			return err
		}
		if t.Status == TerminalRetired {
			return &MoveError{Object: terminalRows.object(t.ID), From: string(t.Status), Action: "rekey"}
		}
		if err := mayHoldTerminals(ctx, tx, t.MerchantID, t.OutletID); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `DELETE FROM activation_codes WHERE rekey_terminal_id = $1 AND used_at IS NULL`, t.ID)
		if err != nil {
			return fmt.Errorf("merchant: drop earlier rekey codes: %w", err)
		}
		_, err = tx.Exec(ctx, `INSERT INTO activation_codes
			(code_hash, merchant_id, outlet_id, kind, created_by, created_at, expires_at, rekey_terminal_id)
			SELECT $1, merchant_id, outlet_id, kind, $3, $4, $5, id FROM terminals WHERE id = $2`,
			hash, t.ID, by.Actor, now, issued.ExpiresAt)
		if err != nil {
			return fmt.Errorf("merchant: issue rekey code: %w", err)
		}
		return record(ctx, tx, by, "terminal.issue_rekey_code", terminalRows.object(t.ID), nil,
			map[string]any{"expires_at": issued.ExpiresAt})
	})
	if err != nil {
		return ActivationCode{}, err
	}
	return issued, nil
}

// rekey gives the terminal that an activation code names its new key, under the
// terminal's row lock. A terminal retired meanwhile gets none: ErrActivation.
func rekey(ctx context.Context, tx pgx.Tx, a activation, hash []byte, key ed25519.PublicKey, now time.Time) (*Terminal, error) {
	var version int64
	err := tx.QueryRow(ctx, `UPDATE terminals SET public_key = $2, version = version + 1
		WHERE id = $1 AND status <> 'retired' RETURNING version`, a.rekey, []byte(key)).Scan(&version)
	if err = found("rekey terminal", err); err == ErrNotFound {
		return nil, ErrActivation
	} else if err != nil {
		return nil, err
	}
	_, err = tx.Exec(ctx, `UPDATE activation_codes SET used_at = $2, terminal_id = $3 WHERE code_hash = $1`, hash, now, a.rekey)
	if err != nil {
		return nil, fmt.Errorf("merchant: use rekey code: %w", err)
	}
	by := By{Actor: terminalRows.object(a.rekey), Reason: "凭激活码换钥"}
	err = record(ctx, tx, by, "terminal.rekey", terminalRows.object(a.rekey), nil,
		map[string]any{"issued_by": a.createdBy}, feed.Change{Kind: feed.KindTerminal, ObjectID: a.rekey, Version: version})
	if err != nil {
		return nil, err
	}
	return readTerminal(ctx, tx, a.rekey)
}

// mayHoldTerminals refuses a merchant that has left and an outlet that is closed
// for good; a suspended one may be fitted out. The shared locks keep both so
// until the end of the transaction.
func mayHoldTerminals(ctx context.Context, tx pgx.Tx, merchant, outlet int64) error {
	var m MerchantStatus
	err := tx.QueryRow(ctx, `SELECT status FROM merchants WHERE id = $1 FOR SHARE`, merchant).Scan(&m)
	if err != nil {
		return found("merchant", err)
	}
	if m == MerchantExited {
		return ErrMerchantExited
	}
	if outlet == 0 {
		return nil
	}
	var o OutletStatus
	err = tx.QueryRow(ctx, `SELECT status FROM outlets WHERE id = $1 AND merchant_id = $2 FOR SHARE`, outlet, merchant).Scan(&o)
	if err != nil {
		return found("outlet", err)
	}
	if o == OutletClosed {
		return ErrOutletClosed
	}
	return nil
}

// activation is a row of activation_codes.
type activation struct {
	merchant, outlet int64
	kind, createdBy  string
	expires          time.Time
	terminal         int64 // 0: not used yet
	rekey            int64 // the terminal that gets a new key, 0: a new terminal
}

// Activate registers a terminal's own key under a one-time code and returns the
// terminal: a new one, or for a code of IssueRekeyCode the one it was issued for. The code's row lock lets one of two callers win. A terminal that
// lost the answer may ask again within the code's life: the same code with the
// same key returns the same terminal. ErrActivation for a code that is unknown,
// expired or used by another key; InvalidError for what is no Ed25519 key;
// ErrMerchantExited and ErrOutletClosed as when the code was issued.
func (s *Store) Activate(ctx context.Context, code string, key ed25519.PublicKey) (*Terminal, error) {
	if len(key) != ed25519.PublicKeySize {
		return nil, &InvalidError{Field: "public key", Detail: "is not an Ed25519 key"}
	}
	hash, err := activationHash(code)
	if err != nil {
		return nil, err
	}
	var t *Terminal
	err = s.change(ctx, func(tx pgx.Tx) error {
		var a activation
		err := tx.QueryRow(ctx, `SELECT merchant_id, coalesce(outlet_id, 0), kind, created_by, expires_at, coalesce(terminal_id, 0), coalesce(rekey_terminal_id, 0)
			FROM activation_codes WHERE code_hash = $1 FOR UPDATE`, hash).
			Scan(&a.merchant, &a.outlet, &a.kind, &a.createdBy, &a.expires, &a.terminal, &a.rekey)
		if err = found("activation code", err); err == ErrNotFound {
			return ErrActivation
		} else if err != nil {
			return err
		}
		now := s.now()
		if !now.Before(a.expires) {
			return ErrActivation
		}
		if a.terminal != 0 {
			t, err = readTerminal(ctx, tx, a.terminal)
			if err == nil && !bytes.Equal(t.PublicKey, key) {
				err = ErrActivation
			}
			return err
		}
		if err := mayHoldTerminals(ctx, tx, a.merchant, a.outlet); err != nil {
			return err
		}
		if a.rekey != 0 {
			t, err = rekey(ctx, tx, a, hash, key, now)
		} else {
			t, err = register(ctx, tx, a, hash, key, now)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return t, nil
}

// register inserts the terminal that an activation code stands for.
func register(ctx context.Context, tx pgx.Tx, a activation, hash []byte, key ed25519.PublicKey, now time.Time) (*Terminal, error) {
	t := Terminal{
		MerchantID: a.merchant, OutletID: a.outlet, POSServer: a.outlet == 0, ClientID: newClientID(),
		Status: TerminalActive, TypedAllowed: true, PublicKey: bytes.Clone(key), Version: 1,
	}
	err := tx.QueryRow(ctx, `INSERT INTO terminals (merchant_id, outlet_id, kind, client_id, public_key, activated_at)
		VALUES ($1, nullif($2::bigint, 0), $3, $4, $5, $6) RETURNING id, typed_allowed`,
		t.MerchantID, t.OutletID, a.kind, t.ClientID, []byte(t.PublicKey), now).Scan(&t.ID, &t.TypedAllowed)
	if err != nil {
		return nil, fmt.Errorf("merchant: register terminal: %w", err)
	}
	_, err = tx.Exec(ctx, `UPDATE activation_codes SET used_at = $2, terminal_id = $3 WHERE code_hash = $1`, hash, now, t.ID)
	if err != nil {
		return nil, fmt.Errorf("merchant: use activation code: %w", err)
	}
	// Whoever holds the code acts as the terminal; who let it is in the event.
	by := By{Actor: event.Actor("terminal:" + strconv.FormatInt(t.ID, 10)), Reason: "凭激活码激活"}
	err = record(ctx, tx, by, "terminal.activate", terminalRows.object(t.ID), nil, map[string]any{
		"merchant": t.MerchantID, "outlet": t.OutletID, "kind": a.kind, "issued_by": a.createdBy, "status": t.Status,
	}, feed.Change{Kind: feed.KindTerminal, ObjectID: t.ID, Version: t.Version})
	if err != nil {
		return nil, err
	}
	return &t, nil
}

const terminalSQL = `SELECT id, merchant_id, coalesce(outlet_id, 0), kind = 'pos_server', client_id, status,
	typed_allowed, public_key, version FROM terminals`

func scanTerminal(row pgx.CollectableRow) (*Terminal, error) {
	var t Terminal
	err := row.Scan(&t.ID, &t.MerchantID, &t.OutletID, &t.POSServer, &t.ClientID, &t.Status,
		&t.TypedAllowed, (*[]byte)(&t.PublicKey), &t.Version)
	return &t, err
}

func readTerminal(ctx context.Context, tx pgx.Tx, id int64) (*Terminal, error) {
	rows, err := tx.Query(ctx, terminalSQL+` WHERE id = $1`, id)
	if err != nil {
		return nil, fmt.Errorf("merchant: terminal: %w", err)
	}
	t, err := pgx.CollectExactlyOneRow(rows, scanTerminal)
	if err != nil {
		return nil, found("terminal", err)
	}
	return t, nil
}

// SuspendTerminal stops a terminal from acting, at once. The terminal's row lock
// keeps two moves apart. MoveError if it is not active.
func (s *Store) SuspendTerminal(ctx context.Context, by By, id int64) error {
	return setStatus(ctx, s, by, terminalRows, terminalMoves, id, "suspend")
}

// ResumeTerminal ends a suspension. Protection and errors as SuspendTerminal.
func (s *Store) ResumeTerminal(ctx context.Context, by By, id int64) error {
	return setStatus(ctx, s, by, terminalRows, terminalMoves, id, "resume")
}

// RetireTerminal takes a terminal out of service for good. Protection and errors
// as SuspendTerminal.
func (s *Store) RetireTerminal(ctx context.Context, by By, id int64) error {
	return setStatus(ctx, s, by, terminalRows, terminalMoves, id, "retire")
}

// SetTypedAllowed says whether card numbers may be typed by hand at a terminal.
// One conditional update: the row lock orders two of them.
func (s *Store) SetTypedAllowed(ctx context.Context, by By, id int64, allowed bool) error {
	return s.change(ctx, func(tx pgx.Tx) error {
		var was bool
		var version int64
		err := tx.QueryRow(ctx, `UPDATE terminals t SET typed_allowed = $2, version = t.version + 1
			FROM (SELECT id, typed_allowed FROM terminals WHERE id = $1 FOR NO KEY UPDATE) old
			WHERE t.id = old.id RETURNING old.typed_allowed, t.version`, id, allowed).Scan(&was, &version)
		if err != nil {
			return found("set typed_allowed", err)
		}
		return record(ctx, tx, by, "terminal.typed_allowed", terminalRows.object(id),
			map[string]bool{"typed_allowed": was}, map[string]bool{"typed_allowed": allowed},
			feed.Change{Kind: feed.KindTerminal, ObjectID: id, Version: version})
	})
}

// maxJTI is the longest jti taken, in characters, as the table has it.
const maxJTI = 128

// UseAssertion takes a client assertion's jti, which is good once; keep it until
// expires, after which the assertion is refused for its age. The primary key
// lets one of two callers win. ErrAssertionReused; InvalidError for a jti that is
// empty or too long.
func (s *Store) UseAssertion(ctx context.Context, clientID, jti string, expires time.Time) error {
	if n := len([]rune(jti)); n == 0 || n > maxJTI {
		return &InvalidError{Field: "jti", Detail: "is empty or over 128 characters"}
	}
	tag, err := s.db.Exec(ctx, `INSERT INTO client_assertions (client_id, jti, expires_at) VALUES ($1, $2, $3)
		ON CONFLICT DO NOTHING`, clientID, jti, expires)
	if err != nil {
		return fmt.Errorf("merchant: use assertion: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return ErrAssertionReused
	}
	return nil
}
