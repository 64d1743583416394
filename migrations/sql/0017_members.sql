-- Members' personal data: data keys, sealed values and their keyed hashes,
-- transfers between unions.

ALTER TABLE staff DROP CONSTRAINT IF EXISTS staff_roles_check;
ALTER TABLE staff ADD CONSTRAINT staff_roles_check CHECK (roles <@ ARRAY['negotiator', 'approver', 'terminal_manager',
    'complaint_handler', 'finance', 'assessor', 'registrar', 'card_manager', 'auditor', 'operator']);
