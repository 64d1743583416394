-- The ledger: double entry, append-only. A row is one transfer, from its debit
-- account to its credit account, so that it balances by its shape (invariant 7).
--
-- An account is a bigint: its kind in the top eight bits, an id below
-- (settlement/ledger). merchant_id is the distribution column, 0 for a transfer of
-- no merchant. doc is the purchase's id, or that of whatever else posts; seq is 0
-- for a purchase and its undoing's number otherwise; leg counts the transfers of one
-- posting.
CREATE TABLE transfers (
    merchant_id  bigint   NOT NULL,
    business_day date     NOT NULL,
    doc          uuid     NOT NULL,
    seq          integer  NOT NULL,
    leg          smallint NOT NULL,
    -- kind: 1 purchase, 2 void, 3 reversal, 4 refund, 5 adjustment, 6 funding of a
    -- budget, 7 allocation to a series, 8 return of what is left, 9 payment,
    -- 10 payment returned.
    kind         smallint NOT NULL,
    debit        bigint   NOT NULL,
    credit       bigint   NOT NULL,
    fen          bigint   NOT NULL,
    PRIMARY KEY (merchant_id, business_day, doc, seq, leg),
    CONSTRAINT transfers_form CHECK (fen > 0 AND debit <> credit AND kind BETWEEN 1 AND 10)
);

-- The transfers of all purchases and undoings recorded before there was a ledger. The
-- union's share of then had no budget (account kind 6). What each undoing gave back
-- to whom is on record, and is posted as it was.
INSERT INTO transfers (merchant_id, business_day, doc, seq, leg, kind, debit, credit, fen)
SELECT p.merchant_id, p.business_day, p.id, 0, l.leg, 1, l.debit, l.credit, l.fen
FROM purchases p
CROSS JOIN LATERAL (VALUES
    (1, (4::bigint << 56) | p.merchant_id, 5::bigint << 56, p.discount_fen - p.union_share_fen),
    (2, 6::bigint << 56, (3::bigint << 56) | p.merchant_id, p.union_share_fen)) AS l (leg, debit, credit, fen)
WHERE l.fen > 0;
INSERT INTO transfers (merchant_id, business_day, doc, seq, leg, kind, debit, credit, fen)
SELECT u.merchant_id, u.business_day, u.purchase_id, u.seq, l.leg,
       CASE u.kind WHEN 1 THEN 2 WHEN 2 THEN 3 ELSE 4 END, l.debit, l.credit, l.fen
FROM purchase_undos u
CROSS JOIN LATERAL (VALUES
    (1, 5::bigint << 56, (4::bigint << 56) | u.merchant_id, u.given_back_fen - u.union_back_fen),
    (2, (3::bigint << 56) | u.merchant_id, 6::bigint << 56, u.union_back_fen)) AS l (leg, debit, credit, fen)
WHERE l.fen > 0;

CREATE FUNCTION transfers_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a transfer is never changed: post another one' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER transfers_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON transfers
    FOR EACH STATEMENT EXECUTE FUNCTION transfers_stay();
