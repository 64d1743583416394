-- Phones, as they end. What is over is pruned every minute on every node, so it is
-- found by an index and not by reading ten million sessions.
CREATE INDEX phone_sessions_created ON phone_sessions (created_at);
CREATE INDEX phone_enrolments_ended ON phone_enrolments (ended_at) WHERE ended_at IS NOT NULL;

-- A member who leaves is signed out for good, whoever writes it: coming back, a year
-- later and perhaps with the number in other hands, begins with a new code.
CREATE FUNCTION phone_member_left() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM phone_sessions WHERE member_id = NEW.id;
    UPDATE phone_enrolments SET ended_at = clock_timestamp(), ended = 'left', due = true
    WHERE member_id = NEW.id AND ended_at IS NULL;
    RETURN NULL;
END $$;
CREATE TRIGGER members_phone_left AFTER UPDATE OF status ON members
    FOR EACH ROW WHEN (NEW.status = 2 AND OLD.status <> 2) EXECUTE FUNCTION phone_member_left();

-- Those who left before.
DELETE FROM phone_sessions s USING members m WHERE m.id = s.member_id AND m.status = 2;
UPDATE phone_enrolments e SET ended_at = clock_timestamp(), ended = 'left', due = true
FROM members m WHERE m.id = e.member_id AND m.status = 2 AND e.ended_at IS NULL;
