-- The close of business days, statements, their disputes, adjustments, payments, and
-- the audit of all of it.

-- business_days: closed_at seals a day (0004); done_at: every statement of it is
-- written. Days are done one after the other.
ALTER TABLE business_days
    ADD COLUMN done_at    timestamptz,
    ADD COLUMN statements integer NOT NULL DEFAULT 0,
    ADD CONSTRAINT done_after_sealed CHECK (done_at IS NULL OR closed_at IS NOT NULL);

-- statements: one merchant, one business day. body is canonical JSON and never
-- changes, nor does what repeats its figures for lists; only state, who confirmed it
-- and in which payment it is do. Balance is what the union owes the merchant:
-- opening + due - paid = closing. due is the union's share of the day, less what came
-- back of it, and adjustments.
CREATE TABLE statements (
    merchant_id        bigint  NOT NULL REFERENCES merchants,
    business_day       date    NOT NULL,
    -- id names a statement in addresses; the key is the pair.
    id                 bigint  GENERATED ALWAYS AS IDENTITY,
    body               bytea   NOT NULL,
    sha256             bytea   NOT NULL CHECK (octet_length(sha256) = 32),
    purchases          integer NOT NULL,
    gross_fen          bigint  NOT NULL,
    discount_fen       bigint  NOT NULL,
    merchant_share_fen bigint  NOT NULL,
    union_share_fen    bigint  NOT NULL,
    -- undone: voided or reversed the same day; refunds: refunds the same day.
    undone             integer NOT NULL,
    refunds            integer NOT NULL,
    returned_fen       bigint  NOT NULL,
    given_back_fen     bigint  NOT NULL,
    union_back_fen     bigint  NOT NULL,
    -- adjustments: undoings of earlier days' purchases and what people posted.
    adjustments        integer NOT NULL,
    adjusted_fen       bigint  NOT NULL,
    paid_fen           bigint  NOT NULL,
    opening_fen        bigint  NOT NULL,
    due_fen            bigint  NOT NULL,
    closing_fen        bigint  NOT NULL,
    closed_at          timestamptz NOT NULL DEFAULT now(),
    -- what may change
    state              text    NOT NULL DEFAULT 'closed' CHECK (state IN ('closed', 'confirmed', 'disputed', 'resolved', 'paid')),
    confirm_by         date    NOT NULL, -- the last day for confirming or disputing
    settled_at         timestamptz,      -- when it was confirmed or resolved
    settled_by         text    NOT NULL DEFAULT '',
    payment_id         bigint,           -- the live payment it is in
    version            bigint  NOT NULL DEFAULT 1,
    PRIMARY KEY (merchant_id, business_day),
    CONSTRAINT statement_adds_up CHECK (opening_fen + due_fen - paid_fen = closing_fen
        AND due_fen = union_share_fen - union_back_fen + adjusted_fen
        AND merchant_share_fen + union_share_fen = discount_fen),
    CHECK (state <> 'paid' OR payment_id IS NOT NULL)
);
CREATE INDEX statements_id ON statements (id);
CREATE INDEX statements_day ON statements (business_day, id);
CREATE INDEX statements_open ON statements (confirm_by) WHERE state = 'closed';
CREATE INDEX statements_disputed ON statements (business_day) WHERE state = 'disputed';
CREATE INDEX statements_payable ON statements (merchant_id) WHERE due_fen <> 0 AND state IN ('closed', 'confirmed', 'disputed', 'resolved');
CREATE INDEX statements_payment ON statements (payment_id) WHERE payment_id IS NOT NULL;

CREATE FUNCTION statements_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND (to_jsonb(OLD) - '{state,settled_at,settled_by,payment_id,version,body,sha256}'::text[]) =
            (to_jsonb(NEW) - '{state,settled_at,settled_by,payment_id,version,body,sha256}'::text[])
            AND OLD.body = NEW.body AND OLD.sha256 = NEW.sha256 THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'a closed statement is never changed: corrections come as later entries' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER statements_stay BEFORE UPDATE OR DELETE ON statements FOR EACH ROW EXECUTE FUNCTION statements_stay();
CREATE FUNCTION statements_keep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a closed statement is never changed: corrections come as later entries' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER statements_keep BEFORE TRUNCATE ON statements FOR EACH STATEMENT EXECUTE FUNCTION statements_keep();

-- statement_disputes: what a merchant says is wrong, and the office's answer.
CREATE TABLE statement_disputes (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    statement_id bigint NOT NULL,
    merchant_id  bigint NOT NULL,
    business_day date   NOT NULL,
    reason       text   NOT NULL CHECK (reason <> ''),
    opened_by    text   NOT NULL,
    opened_at    timestamptz NOT NULL,
    -- accepted: null while open.
    accepted     boolean,
    answer       text   NOT NULL DEFAULT '',
    answered_by  text   NOT NULL DEFAULT '',
    answered_at  timestamptz,
    adjustment   bigint, -- the adjustment it led to
    FOREIGN KEY (merchant_id, business_day) REFERENCES statements (merchant_id, business_day),
    CHECK ((accepted IS NULL) = (answered_at IS NULL))
);
CREATE INDEX statement_disputes_statement ON statement_disputes (statement_id);
CREATE UNIQUE INDEX one_open_dispute ON statement_disputes (merchant_id, business_day) WHERE accepted IS NULL;

-- adjustments: what people post to a merchant's balance, on the open day; fen > 0
-- is owed to the merchant. doc is the transfer's.
CREATE TABLE adjustments (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    merchant_id  bigint NOT NULL REFERENCES merchants,
    business_day date   NOT NULL,
    office_id    bigint NOT NULL REFERENCES unions,
    fen          bigint NOT NULL CHECK (fen <> 0 AND abs(fen) <= 100000000000),
    cause        text   NOT NULL CHECK (cause ~ '^[a-z_]{1,32}$'), -- 'difference', 'dispute', 'compensation'
    reason       text   NOT NULL CHECK (reason <> ''),
    doc          uuid   NOT NULL UNIQUE,
    posted_by    text   NOT NULL,
    posted_at    timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX adjustments_merchant ON adjustments (merchant_id, business_day);
CREATE INDEX adjustments_day ON adjustments (business_day);
CREATE TRIGGER adjustments_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON adjustments
    FOR EACH STATEMENT EXECUTE FUNCTION transfers_stay();

-- What a day's close reads of the ledger beside the purchases.
CREATE INDEX transfers_other ON transfers (business_day, merchant_id) WHERE kind IN (5, 9, 10);

-- payments: a batch that an office pays its merchants with. draft: made, waiting for
-- the second person; sent: approved, the bank file may be had; done: every line is
-- paid or returned; dropped: given up, its statements are free again.
CREATE TABLE payments (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    office_id   bigint NOT NULL REFERENCES unions,
    from_day    date   NOT NULL,
    until_day   date   NOT NULL, -- included
    state       text   NOT NULL DEFAULT 'draft' CHECK (state IN ('draft', 'sent', 'done', 'dropped')),
    lines       integer NOT NULL CHECK (lines > 0),
    fen         bigint NOT NULL CHECK (fen > 0),
    -- file_sha256: of the bank file, as approved.
    file_sha256 bytea  CHECK (octet_length(file_sha256) = 32),
    made_by     text   NOT NULL,
    made_at     timestamptz NOT NULL,
    sent_by     text   NOT NULL DEFAULT '',
    sent_at     timestamptz,
    done_at     timestamptz,
    version     bigint NOT NULL DEFAULT 1,
    CHECK (from_day <= until_day),
    CHECK ((state IN ('sent', 'done')) = (file_sha256 IS NOT NULL))
);
CREATE INDEX payments_office ON payments (office_id, id);

-- payment_lines: one merchant each. sealed: holder, bank and account number as they
-- were when the batch was made, encrypted (invariant 11).
CREATE TABLE payment_lines (
    payment_id  bigint  NOT NULL REFERENCES payments ON DELETE CASCADE,
    no          integer NOT NULL CHECK (no > 0),
    merchant_id bigint  NOT NULL REFERENCES merchants,
    fen         bigint  NOT NULL CHECK (fen > 0),
    statements  integer NOT NULL CHECK (statements > 0),
    sealed      bytea   NOT NULL,
    state       text    NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'paid', 'returned')),
    bank_ref    text    NOT NULL DEFAULT '',
    note        text    NOT NULL DEFAULT '', -- why the bank returned it
    answered_at timestamptz,
    -- doc of its transfers; seq 0 paid, 1 returned.
    doc         uuid    NOT NULL,
    PRIMARY KEY (payment_id, no),
    UNIQUE (payment_id, merchant_id)
);
CREATE INDEX payment_lines_merchant ON payment_lines (merchant_id);

-- money_audits: what each audit of the money found.
CREATE TABLE money_audits (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at       timestamptz NOT NULL,
    took_ms  bigint  NOT NULL,
    ok       boolean NOT NULL,
    proofs   jsonb   NOT NULL
);
