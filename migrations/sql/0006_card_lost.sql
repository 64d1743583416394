-- A card reported lost while suspended stays suspended when it is found or
-- replaced: reporting a loss must always work, and must never lift a suspension.
ALTER TABLE cards ADD COLUMN lost_while_suspended boolean NOT NULL DEFAULT false;
ALTER TABLE cards ADD CHECK (NOT lost_while_suspended OR status = 3);
