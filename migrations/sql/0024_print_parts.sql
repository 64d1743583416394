-- parts are the serials with which the parts of a print file's sheets begin. A part
-- stays the same cards whatever becomes of cards in the parts before it: counted
-- anew each time, a card cancelled between two downloads would leave another out.
-- Each part begins with 200 cards (batch.SheetCards).
ALTER TABLE batch_files ADD COLUMN parts bigint[];
UPDATE batch_files f SET parts = coalesce((SELECT array_agg(serial ORDER BY serial) FROM (
    SELECT serial, row_number() OVER (ORDER BY serial) AS n FROM cards WHERE print_file = f.id) AS c WHERE (n - 1) % 200 = 0), '{}');
ALTER TABLE batch_files ALTER COLUMN parts SET NOT NULL;
