-- Purchases, their undoing, usage of limits, and the verification journal.
-- Distribution columns: merchant_id for purchases, undos and usage; card_serial
-- for code uses and card caps.

-- business_days: a row with closed_at set is a closed day. A batch stamps its
-- day under a shared advisory lock, the closer takes the lock exclusively.
CREATE TABLE business_days (
    day       date PRIMARY KEY,
    closed_at timestamptz
);

-- purchases: state 1 committed, 2 voided, 3 reversed, 4 partially refunded,
-- 5 refunded, 9 tombstone (a reversed key that never became a purchase).
-- Rows are never deleted once acknowledged, so an idempotency key is good once
-- forever (invariant 2).
CREATE TABLE purchases (
    merchant_id        bigint   NOT NULL,
    id                 uuid     NOT NULL,
    terminal_id        bigint   NOT NULL,
    idem_key           text     NOT NULL CHECK (char_length(idem_key) BETWEEN 1 AND 64),
    request_hash       bytea    NOT NULL,
    state              smallint NOT NULL CHECK (state IN (1, 2, 3, 4, 5, 9)),
    outlet_id          bigint   NOT NULL,
    contract_id        bigint   NOT NULL,
    terms_version      integer  NOT NULL,
    -- floor_id: the floor that lifted the discount, 0 when the contract's own Terms applied.
    floor_id           bigint   NOT NULL DEFAULT 0,
    card_serial        bigint   NOT NULL,
    code_kind          smallint NOT NULL,
    code_key           bigint   NOT NULL,
    quote_id           bigint   NOT NULL,
    quoted_at          timestamptz NOT NULL,
    amount_fen         bigint   NOT NULL,
    discount_fen       bigint   NOT NULL,
    union_share_fen    bigint   NOT NULL,
    -- applied: [{"offer","fen","union_fen"}]; lines: [{"sku","category","qty_milli","unit_price_fen","amount_fen","discount_fen"}]
    applied            jsonb    NOT NULL,
    lines              jsonb,
    merchant_ref       text,
    operator           text,
    business_day       date     NOT NULL,
    committed_at       timestamptz NOT NULL,
    -- returned_fen: money given back to the member so far; given_back_fen: discount taken back with it.
    returned_fen       bigint   NOT NULL DEFAULT 0,
    given_back_fen     bigint   NOT NULL DEFAULT 0,
    -- refund_mode: 0 none yet, 1 by line, 2 by amount (after which no by-line refund is taken).
    refund_mode        smallint NOT NULL DEFAULT 0,
    PRIMARY KEY (merchant_id, id),
    CONSTRAINT purchases_key UNIQUE (merchant_id, terminal_id, idem_key),
    CHECK (amount_fen BETWEEN 0 AND 100000000),
    CHECK (discount_fen BETWEEN 0 AND amount_fen),
    CHECK (union_share_fen BETWEEN 0 AND discount_fen),
    CHECK (returned_fen BETWEEN 0 AND amount_fen - discount_fen),
    CHECK (given_back_fen BETWEEN 0 AND discount_fen)
);

-- purchase_undos: voids, reversals and refunds, one row each. kind 1 void,
-- 2 reversal, 3 refund by amount, 4 refund by line.
CREATE TABLE purchase_undos (
    merchant_id    bigint   NOT NULL,
    purchase_id    uuid     NOT NULL,
    seq            integer  NOT NULL,
    kind           smallint NOT NULL CHECK (kind BETWEEN 1 AND 4),
    terminal_id    bigint   NOT NULL,
    -- idem_key is null for a reversal, which is idempotent by the purchase's own key.
    idem_key       text     CHECK (char_length(idem_key) BETWEEN 1 AND 64),
    request_hash   bytea    NOT NULL,
    returned_fen   bigint   NOT NULL CHECK (returned_fen >= 0),
    given_back_fen bigint   NOT NULL CHECK (given_back_fen >= 0),
    union_back_fen bigint   NOT NULL DEFAULT 0 CHECK (union_back_fen >= 0),
    -- lines: [{"line","qty_milli","amount_fen","discount_fen"}] for kind 4.
    lines          jsonb,
    reason         text     NOT NULL DEFAULT '',
    operator       text     NOT NULL DEFAULT '',
    -- adjustment: the purchase's business day was closed already.
    adjustment     boolean  NOT NULL DEFAULT false,
    -- answer is what the caller was told, for a replay.
    answer         jsonb    NOT NULL,
    business_day   date     NOT NULL,
    at             timestamptz NOT NULL,
    PRIMARY KEY (merchant_id, purchase_id, seq),
    CONSTRAINT undos_key UNIQUE (merchant_id, terminal_id, idem_key),
    FOREIGN KEY (merchant_id, purchase_id) REFERENCES purchases (merchant_id, id)
);

-- code_uses: what a code or quote has been used for, never given back
-- (invariant 3). code_key > 0: step*2+slot of a phone code; < 0: minus the id of
-- the quote of a printed or typed code.
CREATE TABLE code_uses (
    card_serial bigint NOT NULL,
    code_key    bigint NOT NULL CHECK (code_key <> 0),
    merchant_id bigint NOT NULL,
    purchase_id uuid   NOT NULL,
    PRIMARY KEY (card_serial, code_key)
);

-- usage: what a card has used of an offer's limits in a period.
-- source 0: the contract's Terms; else the floor's id. period 1 day, 2 week,
-- 3 month, 4 contract. max_uses and max_fen repeat the limit in force at the
-- last purchase, so that the CHECK backs up the committer (invariant 6).
CREATE TABLE usage (
    merchant_id  bigint   NOT NULL,
    contract_id  bigint   NOT NULL,
    source       bigint   NOT NULL,
    offer        text     NOT NULL,
    card_serial  bigint   NOT NULL,
    period       smallint NOT NULL CHECK (period BETWEEN 1 AND 4),
    period_start date     NOT NULL,
    uses         integer  NOT NULL CHECK (uses >= 0),
    used_fen     bigint   NOT NULL CHECK (used_fen >= 0),
    max_uses     integer,
    max_fen      bigint,
    PRIMARY KEY (merchant_id, contract_id, source, offer, card_serial, period, period_start),
    CONSTRAINT usage_within_limit CHECK (uses <= max_uses AND used_fen <= max_fen)
);

-- card_caps: the daily cap on discounts earned with static codes (printed, typed).
CREATE TABLE card_caps (
    card_serial  bigint   NOT NULL,
    code_kind    smallint NOT NULL,
    day          date     NOT NULL,
    discount_fen bigint   NOT NULL CHECK (discount_fen >= 0),
    cap_fen      bigint   NOT NULL,
    PRIMARY KEY (card_serial, code_kind, day),
    CONSTRAINT cap_not_exceeded CHECK (discount_fen <= cap_fen)
);

-- verifications: the journal of every verification's outcome, written in
-- batches, kept 90 days; one partition a day, made ahead by the writer.
CREATE TABLE verifications (
    at            timestamptz NOT NULL,
    card_serial   bigint   NOT NULL,
    outlet_id     bigint   NOT NULL,
    terminal_id   bigint   NOT NULL,
    code_kind     smallint NOT NULL,
    reason        text     NOT NULL,
    contract_id   bigint   NOT NULL,
    terms_version integer  NOT NULL,
    amount_fen    bigint   NOT NULL,
    discount_fen  bigint   NOT NULL
) PARTITION BY RANGE (at);
CREATE INDEX verifications_outlet ON verifications (outlet_id, at);
CREATE INDEX verifications_card ON verifications (card_serial, at);
