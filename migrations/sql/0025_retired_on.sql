-- retired_on: since when a retired member is one, as left_on for who has left.
ALTER TABLE members ADD COLUMN retired_on date;
UPDATE members m SET retired_on = (e.at AT TIME ZONE 'Asia/Shanghai')::date
FROM (SELECT object_id, max(at) AS at FROM events WHERE object_kind = 'member' AND action = 'member.retire' GROUP BY object_id) e
WHERE m.status = 3 AND e.object_id = m.id::text;
