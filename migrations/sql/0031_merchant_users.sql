-- The merchants' portal: who of a merchant signs in, with what, and what they are told.

-- merchant_users: a person of a merchant. phone_hash is package personal's keyed hash
-- under index_key, phone_sealed the number under a data key. One number may be a user
-- of several merchants, but of each only once. Nothing is deleted: events name users
-- by id.
CREATE TABLE merchant_users (
    id           bigint   GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    merchant_id  bigint   NOT NULL REFERENCES merchants,
    name         text     NOT NULL CHECK (name <> '' AND length(name) <= 40),
    phone_hash   bytea    NOT NULL CHECK (octet_length(phone_hash) = 16),
    phone_sealed bytea    NOT NULL,
    index_key    smallint NOT NULL,
    roles        text[]   NOT NULL CHECK (roles <@ ARRAY['owner', 'finance', 'manager'] AND cardinality(roles) > 0),
    -- outlet_ids: the shops of a manager, who sees no others. Owners and finance see all.
    outlet_ids   bigint[] NOT NULL DEFAULT '{}',
    disabled     boolean  NOT NULL DEFAULT false,
    -- totp: the second factor's secret, sealed; null before it is set up. totp_step is
    -- the last time step used (RFC 6238: one use each). totp_offered is a secret shown
    -- and not yet confirmed, good for ten minutes from totp_offered_at.
    totp            bytea,
    totp_step       bigint NOT NULL DEFAULT 0,
    totp_offered    bytea,
    totp_offered_at timestamptz,
    -- notices_read: the newest notice that the user has seen.
    notices_read bigint NOT NULL DEFAULT 0,
    signed_in_at timestamptz,
    version      bigint NOT NULL DEFAULT 1,
    created_by   text   NOT NULL,
    created_at   timestamptz NOT NULL,
    CHECK (('manager' = ANY (roles)) OR outlet_ids = '{}')
);
CREATE UNIQUE INDEX merchant_users_phone ON merchant_users (phone_hash, merchant_id) WHERE NOT disabled;
CREATE INDEX merchant_users_merchant ON merchant_users (merchant_id, id);
CREATE INDEX merchant_users_index_key ON merchant_users (index_key);

-- merchant_sessions: hash is SHA-256 of the cookie's token. users is who the number
-- was that proved itself by SMS; user_id the one chosen. Only stage full opens the
-- portal. factor: the second factor was given in this session. proved_at is when the
-- number was proved by SMS, which ends the session in the end.
CREATE TABLE merchant_sessions (
    hash       bytea    PRIMARY KEY CHECK (octet_length(hash) = 32),
    id         bigint   GENERATED ALWAYS AS IDENTITY UNIQUE,
    users      bigint[] NOT NULL CHECK (cardinality(users) > 0),
    user_id    bigint   REFERENCES merchant_users,
    stage      text     NOT NULL CHECK (stage IN ('choose', 'code', 'enrol', 'full')),
    factor     boolean  NOT NULL DEFAULT false,
    proved_at  timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    seen_at    timestamptz NOT NULL,
    CHECK ((stage = 'choose') = (user_id IS NULL))
);
CREATE INDEX merchant_sessions_user ON merchant_sessions (user_id);
CREATE INDEX merchant_sessions_seen ON merchant_sessions (seen_at);

-- merchant_notices: what a merchant is told. audience: who may read it, as rights of
-- package account ("" everybody of the merchant). outlet_id: the shop that it is about,
-- which managers of others don't hear of. Append-only, pruned by age.
CREATE TABLE merchant_notices (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    merchant_id bigint NOT NULL REFERENCES merchants,
    kind        text   NOT NULL CHECK (kind ~ '^[a-z][a-z_.]{0,39}$'),
    audience    text   NOT NULL DEFAULT '' CHECK (audience IN ('', 'money', 'shops', 'owner')),
    outlet_id   bigint,
    text        text   NOT NULL CHECK (text <> '' AND length(text) <= 500),
    url         text   NOT NULL DEFAULT '' CHECK (url = '' OR url LIKE '/portal%'),
    at          timestamptz NOT NULL
);
CREATE INDEX merchant_notices_merchant ON merchant_notices (merchant_id, id);

-- outlets.refunds: what a terminal of the outlet may take back. all: voids and
-- refunds; void: voids on the same business day only; none: neither, a POS server of
-- the merchant does it. Reversals of lost answers are no refunds and always work.
-- hours and phone are what the public is told of the shop.
ALTER TABLE outlets
    ADD COLUMN refunds text NOT NULL DEFAULT 'all' CHECK (refunds IN ('all', 'void', 'none')),
    ADD COLUMN hours   text NOT NULL DEFAULT '' CHECK (length(hours) <= 100),
    ADD COLUMN phone   text NOT NULL DEFAULT '' CHECK (length(phone) <= 30);

-- outlet_requests: what a merchant wants changed of an outlet and an office decides:
-- name, address and position are in the agreement and in the public directory.
CREATE TABLE outlet_requests (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    merchant_id bigint NOT NULL REFERENCES merchants,
    outlet_id   bigint NOT NULL,
    user_id     bigint NOT NULL REFERENCES merchant_users,
    name        text   NOT NULL CHECK (name <> ''),
    address     text   NOT NULL,
    lon         double precision CHECK (lon BETWEEN -180 AND 180),
    lat         double precision CHECK (lat BETWEEN -90 AND 90),
    reason      text   NOT NULL CHECK (reason <> ''),
    state       text   NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'accepted', 'declined', 'withdrawn')),
    made_at     timestamptz NOT NULL,
    decided_by  text,
    answer      text,
    decided_at  timestamptz,
    FOREIGN KEY (merchant_id, outlet_id) REFERENCES outlets (merchant_id, id),
    CHECK ((lon IS NULL) = (lat IS NULL)),
    CHECK ((state = 'waiting') = (decided_at IS NULL))
);
CREATE UNIQUE INDEX outlet_requests_waiting ON outlet_requests (outlet_id) WHERE state = 'waiting';
CREATE INDEX outlet_requests_merchant ON outlet_requests (merchant_id, id);
