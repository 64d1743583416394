package application

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"unioncard/merchant"
	"unioncard/merchant/file"
)

// AddMerchantFile takes a document of a merchant that has joined, beside those of its
// application: a renewed licence, one that was missing. merchant.FieldErrors for a
// kind that its trade does not know, merchant.ErrNotFound, merchant.ErrMerchantExited,
// a *file.RefusedError past the bound of files. The merchant's row lock keeps the
// number of its files.
func (s *Store) AddMerchantFile(ctx context.Context, by merchant.By, merchantID int64, kind string, c *file.Clean) error {
	return s.change(ctx, func(tx pgx.Tx) error {
		var trade merchant.Trade
		var status merchant.MerchantStatus
		err := tx.QueryRow(ctx, `SELECT trade, status FROM merchants WHERE id = $1 FOR NO KEY UPDATE`, merchantID).Scan(&trade, &status)
		if err != nil {
			return notFound("lock merchant", err)
		}
		if status == merchant.MerchantExited {
			return merchant.ErrMerchantExited
		}
		if !slices.ContainsFunc(FileKinds(trade), func(k FileKind) bool { return k.Kind == kind }) {
			return merchant.FieldErrors{{Field: "kind", Message: "请选择这是什么材料。"}}
		}
		_, err = s.Files.PutClean(ctx, tx, by, merchantObject(merchantID), kind, c)
		return err
	})
}
