-- Card batches, delivery and activation; the phone's epoch.

-- phone_epoch is in every phone key of a card. A new phone's enrolment raises it
-- (modulo 256), so the old phone's keys are dead with the commit. The printed
-- code and the number do not depend on it.
ALTER TABLE cards ADD COLUMN phone_epoch smallint NOT NULL DEFAULT 0 CHECK (phone_epoch BETWEEN 0 AND 255);
