-- The card on the phone: codes by SMS, sessions, and which phone holds the keys.
-- No phone number is stored here: phone is the keyed hash that members.phone_hash is.

-- phone_codes: the last code sent to a number, known to us or not, and how many
-- were asked for. mac is HMAC-SHA-256 of the number's hash and the code under the
-- keyring's token key key_id; expires_at is -infinity once it was used.
-- in_hour and in_day count codes since hour_from and day_from.
CREATE TABLE phone_codes (
    phone      bytea       PRIMARY KEY CHECK (octet_length(phone) = 16),
    mac        bytea       NOT NULL CHECK (octet_length(mac) = 32),
    key_id     integer     NOT NULL,
    attempts   smallint    NOT NULL DEFAULT 0,
    sent_at    timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    hour_from  timestamptz NOT NULL,
    in_hour    smallint    NOT NULL,
    day_from   timestamptz NOT NULL,
    in_day     smallint    NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX phone_codes_day ON phone_codes (day_from);

-- phone_enrolments: the phone that may show a member's codes without a network. A
-- member has one that has not ended. device_key is its public key (SPKI, P-256).
-- renewal is SHA-256 of the token that fetches the next keys, each good once;
-- previous is the one before, which may be asked again once (repeated), should its
-- answer have been lost. Any other token of a live enrolment is a copy's.
-- epoch is the card's phone epoch under which its keys were derived.
CREATE TABLE phone_enrolments (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    member_id   bigint      NOT NULL REFERENCES members,
    card_serial bigint      NOT NULL,
    epoch       smallint    NOT NULL CHECK (epoch BETWEEN 0 AND 255),
    device_key  bytea       NOT NULL CHECK (octet_length(device_key) BETWEEN 64 AND 200),
    renewal     bytea       NOT NULL CHECK (octet_length(renewal) = 32),
    previous    bytea       CHECK (octet_length(previous) = 32),
    repeated    boolean     NOT NULL DEFAULT false,
    created_at  timestamptz NOT NULL,
    renewed_at  timestamptz NOT NULL,
    ended_at    timestamptz,
    -- ended: why. number_changed waits for the chore that ends its keys (due).
    ended       text        CHECK (ended IN ('taken_over', 'copied', 'signed_out', 'ended_elsewhere', 'number_changed', 'left')),
    due         boolean     NOT NULL DEFAULT false,
    CHECK ((ended_at IS NULL) = (ended IS NULL))
);
CREATE UNIQUE INDEX phone_enrolments_live ON phone_enrolments (member_id) WHERE ended_at IS NULL;
CREATE INDEX phone_enrolments_member ON phone_enrolments (member_id, created_at);
CREATE INDEX phone_enrolments_card ON phone_enrolments (card_serial, epoch);
CREATE INDEX phone_enrolments_due ON phone_enrolments (id) WHERE due;

-- phone_sessions: hash is SHA-256 of the cookie's token. enrolment_id: the phone
-- that this session is on, once it has enrolled or renewed.
CREATE TABLE phone_sessions (
    hash         bytea       PRIMARY KEY CHECK (octet_length(hash) = 32),
    id           bigint      GENERATED ALWAYS AS IDENTITY UNIQUE,
    member_id    bigint      NOT NULL REFERENCES members,
    enrolment_id bigint      REFERENCES phone_enrolments ON DELETE SET NULL,
    created_at   timestamptz NOT NULL,
    seen_at      timestamptz NOT NULL
);
CREATE INDEX phone_sessions_member ON phone_sessions (member_id);
CREATE INDEX phone_sessions_seen ON phone_sessions (seen_at);
CREATE INDEX phone_sessions_enrolment ON phone_sessions (enrolment_id);

-- A member whose phone number changed, whoever wrote it, is signed out everywhere:
-- the old number may be somebody else's now, or always was. The phone that holds
-- keys is ended; a chore then makes its keys worthless, which needs a row of the
-- change feed. A re-index changes the hash and the key it was made with, not the
-- number.
CREATE FUNCTION phone_number_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM phone_sessions WHERE member_id = NEW.id;
    UPDATE phone_enrolments SET ended_at = clock_timestamp(), ended = 'number_changed', due = true
    WHERE member_id = NEW.id AND ended_at IS NULL;
    RETURN NULL;
END $$;
CREATE TRIGGER members_phone_changed AFTER UPDATE OF phone_hash ON members
    FOR EACH ROW WHEN (OLD.phone_hash IS DISTINCT FROM NEW.phone_hash AND OLD.phone_hash IS NOT NULL
        AND (NEW.phone_hash IS NULL OR OLD.index_key IS NOT DISTINCT FROM NEW.index_key))
    EXECUTE FUNCTION phone_number_changed();
