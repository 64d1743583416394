-- The public directory: signs of life of outlets, and what mirrors follow.

-- outlet_signs: when an outlet last gave a discount. Gathered in memory by each
-- node and written here twice a minute, off the purchases' path; a crash loses at
-- most the last half minute of it. fillfactor leaves room for updates in place.
CREATE TABLE outlet_signs (
    outlet_id   bigint PRIMARY KEY REFERENCES outlets,
    discount_at timestamptz NOT NULL
) WITH (fillfactor = 70);

-- directory_head: seq is the last number given out; its row's lock makes numbers
-- commit in their order, so a reader that has seen seq n has seen all before it.
-- gone: delistings up to this number may have been forgotten.
CREATE TABLE directory_head (
    one  boolean PRIMARY KEY DEFAULT true CHECK (one),
    seq  bigint NOT NULL DEFAULT 0 CHECK (seq >= 0),
    gone bigint NOT NULL DEFAULT 0 CHECK (gone BETWEEN 0 AND seq)
);
INSERT INTO directory_head DEFAULT VALUES;

-- directory_outlets: every outlet that is listed, as the public may know it, and
-- those delisted of late. An outlet has one row, under the number of its last
-- change; a mirror reads on from the number it has reached.
CREATE TABLE directory_outlets (
    outlet_id bigint PRIMARY KEY,
    seq       bigint NOT NULL UNIQUE,
    change    text   NOT NULL CHECK (change IN ('listed', 'changed', 'delisted')),
    digest    bytea  NOT NULL, -- of document, empty without one
    document  json,
    at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK ((change = 'delisted') = (document IS NULL))
);
CREATE INDEX directory_outlets_gone ON directory_outlets (at) WHERE change = 'delisted';
