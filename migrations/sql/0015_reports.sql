-- What the offices see of the purchases without reading them: one row an office
-- and business day. The signing office is the contract's. Past days never change:
-- an undoing counts on its own business day, as the ledger will have it.
CREATE TABLE purchase_days (
    day            date   NOT NULL,
    office_id      bigint NOT NULL,
    purchases      bigint NOT NULL,
    amount_fen     bigint NOT NULL,
    discount_fen   bigint NOT NULL,
    -- undone: voided or reversed; returned_fen and given_back_fen: by any undoing.
    undone         bigint NOT NULL,
    returned_fen   bigint NOT NULL,
    given_back_fen bigint NOT NULL,
    PRIMARY KEY (day, office_id)
);

-- purchase_days_state: days up to complete are final; as_of is when the days
-- after it were last added up.
CREATE TABLE purchase_days_state (
    one      boolean PRIMARY KEY DEFAULT true CHECK (one),
    complete date        NOT NULL,
    as_of    timestamptz NOT NULL
);
INSERT INTO purchase_days_state (complete, as_of) VALUES ('1970-01-01', '1970-01-01');

-- Purchases lie in the order of their days, so a few pages of summary find a day's;
-- an insert pays next to nothing for it, which a tree of millions of dates would ask.
CREATE INDEX purchases_day ON purchases USING brin (business_day) WITH (autosummarize = on);
CREATE INDEX undos_day ON purchase_undos USING brin (business_day) WITH (autosummarize = on);
