package main

import (
	"context"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"unioncard/card"
	"unioncard/merchant"
	"unioncard/merchant/application"
	"unioncard/merchant/exit"
	"unioncard/merchant/file"
)

// filesDir is where uploads lie: never below what is served.
func (c Config) filesDir() string {
	switch {
	case c.FilesDir != "":
		return c.FilesDir
	case c.Data != "":
		return filepath.Join(c.Data, "files")
	}
	return filepath.Join(filepath.Dir(c.KeyringFile), "files")
}

// newApplications is the store of uploads and that of applications as this
// deployment configures them.
func newApplications(pool *pgxpool.Pool, cfg Config, keyring *card.Keyring, clock func() time.Time) (*file.Store, *application.Store, error) {
	files, err := file.New(file.Options{DB: pool, Dir: cfg.filesDir(), Clock: clock})
	if err != nil {
		return nil, nil, err
	}
	return files, application.New(application.Options{
		DB: pool, Files: files, Clock: clock, Vault: application.NewVault(vaultKeys(keyring, clock)),
		Barred: func(ctx context.Context, db merchant.DB, merchantID int64) (time.Time, error) {
			return exit.New(db, clock).BarredUntil(ctx, merchantID)
		},
	}), nil
}

// vaultKeys seals contacts and bank details under keys derived from the printed
// codes' ring, for the reason that staffBox gives: its keys stay until they are
// retired. Before one is retired, what is sealed under it must be saved again.
func vaultKeys(keyring *card.Keyring, clock func() time.Time) func() []application.VaultKey {
	return func() []application.VaultKey {
		var keys []application.VaultKey
		for _, k := range keyring.Accepted(card.RingPrinted, clock()) {
			keys = append(keys, application.VaultKey{ID: k.ID, Secret: k.Secret()})
		}
		return keys
	}
}
