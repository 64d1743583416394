package settlement

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/jackc/pgx/v5"

	"unioncard/merchant/application"
)

// lineObject is what a line's sealed account is bound to.
func lineObject(paymentID int64, no int32) string { return fmt.Sprintf("payment:%d:%d", paymentID, no) }

// sealBank encrypts the account of a line.
func (s *Store) sealBank(paymentID int64, no int32, b application.Bank) ([]byte, error) {
	plain, err := json.Marshal(b)
	if err != nil {
		return nil, fmt.Errorf("settlement: seal account: %w", err)
	}
	sealed, err := s.opt.Details.Vault.Seal(lineObject(paymentID, no), plain)
	if err != nil {
		return nil, fmt.Errorf("settlement: seal account: %w", err)
	}
	return sealed, nil
}

func (s *Store) openBank(paymentID int64, no int32, sealed []byte) (b application.Bank, err error) {
	plain, err := s.opt.Details.Vault.Open(lineObject(paymentID, no), sealed)
	if err == nil {
		err = json.Unmarshal(plain, &b)
	}
	if err != nil {
		return b, fmt.Errorf("settlement: account of line %d: %w", no, err)
	}
	return b, nil
}

// payableTo says whether a bank file can carry an account: all of it is there, and
// nothing that a spreadsheet would take for a formula or a bank for another column.
func payableTo(b application.Bank) bool {
	for _, text := range []string{b.Holder, b.Bank, b.Account} {
		if strings.TrimSpace(text) == "" || strings.ContainsRune("=+-@\t＝＋－＠", []rune(text)[0]) || strings.ContainsFunc(text, unicode.IsControl) {
			return false
		}
	}
	return strings.Trim(b.Account, "0123456789 -") == ""
}

// yuan writes fen as yuan with two decimals.
func yuan(fen int64) string {
	sign := ""
	if fen < 0 {
		sign, fen = "-", -fen
	}
	return fmt.Sprintf("%s%d.%02d", sign, fen/100, fen%100)
}

// bankFile writes the file of a payment from its lines. The account number is in plain
// digits, as banks read it.
func (s *Store) bankFile(ctx context.Context, tx pgx.Tx, p *Payment) ([]byte, error) {
	rows, err := tx.Query(ctx, `SELECT l.no, l.merchant_id, l.fen, l.sealed FROM payment_lines l WHERE l.payment_id = $1 ORDER BY l.no`, p.ID)
	if err != nil {
		return nil, fmt.Errorf("settlement: bank file: %w", err)
	}
	var buf bytes.Buffer
	buf.WriteString("\uFEFF")
	w := csv.NewWriter(&buf)
	w.UseCRLF = true
	_ = w.Write([]string{"序号", "收款户名", "收款账号", "开户银行", "金额（元）", "用途"}) // a buffer takes everything
	var no int32
	var merchantID, fen, count, sum int64
	var sealed []byte
	_, err = pgx.ForEachRow(rows, []any{&no, &merchantID, &fen, &sealed}, func() error {
		b, err := s.openBank(p.ID, no, sealed)
		if err != nil {
			return err
		}
		count++
		sum += fen
		account := strings.NewReplacer(" ", "", "-", "").Replace(b.Account)
		return w.Write([]string{strconv.Itoa(int(no)), b.Holder, account, b.Bank, yuan(fen),
			fmt.Sprintf("会员卡优惠结算 %s 商家%d", p.Number(), merchantID)})
	})
	if err != nil {
		return nil, fmt.Errorf("settlement: bank file: %w", err)
	}
	if count != p.Lines || sum != p.Fen {
		return nil, fmt.Errorf("settlement: bank file: %d lines of %d fen, payment %d says %d of %d", count, sum, p.ID, p.Lines, p.Fen)
	}
	_ = w.Write([]string{"合计", strconv.FormatInt(count, 10) + " 笔", "", "", yuan(sum), p.Number()})
	w.Flush()
	return buf.Bytes(), nil
}
