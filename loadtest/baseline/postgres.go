package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
)

func openPool(ctx context.Context, c config) (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(c.postgres)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	if c.pool > 0 {
		cfg.MaxConns = int32(c.pool)
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	return pool, nil
}

// routeSelect looks the card's state up by primary key.
func routeSelect(ctx context.Context, r gin.IRouter, c config, sample verifyAnswer) (func(), error) {
	pool, err := openPool(ctx, c)
	if err != nil {
		return nil, err
	}
	for _, sql := range []string{
		`DROP TABLE IF EXISTS baseline_cards`,
		`CREATE TABLE baseline_cards (serial bigint PRIMARY KEY, status smallint NOT NULL, generation smallint NOT NULL,
			territory int NOT NULL, holder text NOT NULL, valid_until date NOT NULL)`,
		fmt.Sprintf(`INSERT INTO baseline_cards SELECT i, 1, 1, 410100, '张**', '2028-12-31' FROM generate_series(0, %d) i`, demoKeys-1),
		`VACUUM ANALYZE baseline_cards`,
	} {
		if _, err := pool.Exec(ctx, sql); err != nil {
			pool.Close()
			return nil, fmt.Errorf("fill cards: %w", err)
		}
	}
	r.POST("/v1/verifications", func(g *gin.Context) {
		body, ok := decode[verifyRequest](g)
		if !ok {
			return
		}
		var (
			status, generation int16
			territory          int32
			holder             string
			validUntil         time.Time
		)
		err := pool.QueryRow(g.Request.Context(),
			`SELECT status, generation, territory, holder, valid_until FROM baseline_cards WHERE serial = $1`,
			keyOf(body.Code)).Scan(&status, &generation, &territory, &holder, &validUntil)
		if err != nil {
			g.JSON(http.StatusInternalServerError, gin.H{"error": err.Error()})
			return
		}
		g.JSON(http.StatusOK, sample)
	})
	return pool.Close, nil
}

// routeInsert records a purchase: one row, one unique index on the idempotency key,
// durable when answered. It checks none of the rules.
func routeInsert(ctx context.Context, r gin.IRouter, c config) (func(), error) {
	pool, err := openPool(ctx, c)
	if err != nil {
		return nil, err
	}
	for _, sql := range []string{
		`DROP TABLE IF EXISTS baseline_purchases`,
		`CREATE TABLE baseline_purchases (
			id uuid PRIMARY KEY, merchant_id bigint NOT NULL, terminal_id bigint NOT NULL, idem_key text NOT NULL,
			card_serial bigint NOT NULL, amount_fen bigint NOT NULL, discount_fen bigint NOT NULL, payable_fen bigint NOT NULL,
			lines jsonb NOT NULL, committed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
			UNIQUE (merchant_id, terminal_id, idem_key))`,
	} {
		if _, err := pool.Exec(ctx, sql); err != nil {
			pool.Close()
			return nil, fmt.Errorf("create purchases: %w", err)
		}
	}
	r.POST("/v1/purchases", func(g *gin.Context) { insert(g, pool) })
	return pool.Close, nil
}

// discountFen is what every purchase of the baseline earns.
const discountFen = 100

func insert(g *gin.Context, pool *pgxpool.Pool) {
	body, ok := decode[purchaseRequest](g)
	if !ok {
		return
	}
	a := purchaseAnswer{State: "committed", DiscountFen: discountFen, MerchantShareFen: discountFen}
	for _, it := range body.Items {
		a.AmountFen += it.AmountFen
	}
	a.PayableFen = a.AmountFen - a.DiscountFen
	id, err := uuid.NewV7()
	if err != nil {
		g.JSON(http.StatusInternalServerError, gin.H{"error": err.Error()})
		return
	}
	key := g.GetHeader("Idempotency-Key")
	var at time.Time
	err = pool.QueryRow(g.Request.Context(), `
		INSERT INTO baseline_purchases (id, merchant_id, terminal_id, idem_key, card_serial, amount_fen, discount_fen, payable_fen, lines)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING committed_at`,
		id, 1, 1, key, keyOf(body.Quote), a.AmountFen, a.DiscountFen, a.PayableFen, body.Items).Scan(&at)
	if err != nil {
		g.JSON(http.StatusConflict, gin.H{"error": err.Error()})
		return
	}
	a.ID, a.CommittedAt = id.String(), at.Format(time.RFC3339Nano)
	g.JSON(http.StatusCreated, a)
}
