-- What the union spent, without reading the ledger for a page: one row a business
-- day, paying account, paying office, place and trade, added up from transfers. Past
-- days never change: what is given back counts on its own business day.
CREATE TABLE spending_days (
    id        bigint  GENERATED ALWAYS AS IDENTITY UNIQUE, -- pages of a list only
    day       date    NOT NULL,
    -- office_id: whose money it was when the day was added up.
    office_id bigint  NOT NULL,
    -- account: as in the ledger: a budget, an office's adjustments, or what was paid
    -- before there were budgets.
    account   bigint  NOT NULL,
    -- place: the outlet's division (GB/T 2260); of an adjustment, that of the office
    -- the merchant belongs to.
    place     integer NOT NULL,
    trade     text    NOT NULL, -- the contract's; of an adjustment, the merchant's
    uses      bigint  NOT NULL, -- purchases that it paid part of, and adjustments
    spent_fen bigint  NOT NULL CHECK (spent_fen >= 0),
    undone    bigint  NOT NULL, -- voids and reversals
    back_fen  bigint  NOT NULL CHECK (back_fen >= 0), -- by any undoing
    PRIMARY KEY (day, account, office_id, place, trade)
);

-- spending_state: days up to complete are final; as_of is when the days after it
-- were last added up.
CREATE TABLE spending_state (
    one      boolean PRIMARY KEY DEFAULT true CHECK (one),
    complete date        NOT NULL,
    as_of    timestamptz NOT NULL
);
INSERT INTO spending_state (complete, as_of) VALUES ('1970-01-01', '1970-01-01');

-- Transfers lie in the order of their days, so a few pages of summary find a day's.
CREATE INDEX transfers_day ON transfers USING brin (business_day) WITH (autosummarize = on);
