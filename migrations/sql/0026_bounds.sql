-- What a roster's check told of members of other territories, and lists that would
-- read every row.

-- n_elsewhere: rows whose person is or was a member of another territory; n_taken:
-- rows whose phone number is such a member's. They stay when the rows go: an account
-- may find so many in a day.
ALTER TABLE roster_runs
    ADD COLUMN n_elsewhere integer NOT NULL DEFAULT 0,
    ADD COLUMN n_taken     integer NOT NULL DEFAULT 0;
CREATE INDEX roster_runs_staff ON roster_runs (staff_id, created_at);
-- roster_runs_staged: uploads that take up room.
CREATE INDEX roster_runs_staged ON roster_runs (id) WHERE state IN ('uploading', 'queued', 'checking');

-- Who left, the latest first: few among ten million, so that a page of them is not
-- found by reading back through all members.
CREATE INDEX members_left ON members (union_id, id) WHERE status = 2;
CREATE INDEX members_left_id ON members (id) WHERE status = 2;
