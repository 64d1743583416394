-- What a till waits for, or what is written for every code shown, carries no more
-- than it must.

-- json keeps the text as it came and costs PostgreSQL a third of jsonb's work on
-- insert; nothing searches inside. Reports cast it.
ALTER TABLE purchases
    ALTER COLUMN applied TYPE json USING applied::json,
    ALTER COLUMN lines TYPE json USING lines::json;

-- The journal of a day is only appended to. Its time index is a few pages; the
-- ones by outlet and by card are made by the journal's writer when the day is
-- over, which costs a tenth of keeping them up row by row. Until then a look-up
-- reads the day.
DROP INDEX verifications_outlet;
DROP INDEX verifications_card;
CREATE INDEX verifications_at ON verifications USING brin (at);
