-- Drafts of Terms, for contracts and floors, before they are proposed.

-- drafts: every saved state of a draft; the largest version of an object is the
-- draft, unless discarded. Object is "contract:12", "floor:trade:shopping" or
-- "floor:brand:X". Older states are kept so that the second of two clerks can be
-- told what changed, and a slip undone; the store prunes them.
CREATE TABLE drafts (
    object    text    NOT NULL CHECK (object ~ '^(contract:[1-9][0-9]*|floor:trade:[a-z]+|floor:brand:.+)$'),
    version   integer NOT NULL CHECK (version > 0),
    -- terms: null when the draft was discarded at this version.
    terms     jsonb,
    sha256    bytea CHECK (octet_length(sha256) = 32),
    saved_by  text    NOT NULL CHECK (saved_by <> ''),
    saved_at  timestamptz NOT NULL,
    PRIMARY KEY (object, version),
    CHECK ((terms IS NULL) = (sha256 IS NULL))
);
