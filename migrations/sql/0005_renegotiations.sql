-- Contracts found below a risen floor, and what follows.

-- renegotiations: a contract whose Terms a floor outgrew. With the floor clause
-- (deadline null) the floor lifts it at the till from the floor's start; without
-- it the contract is suspended by itself once deadline has passed. Either stops
-- at resolved_at, the start of a version of Terms that meets the floor.
CREATE TABLE renegotiations (
    contract_id   bigint  NOT NULL REFERENCES contracts,
    floor_id      bigint  NOT NULL REFERENCES floors,
    -- terms_version: the contract's version that was found below.
    terms_version integer NOT NULL,
    -- comparison: the counterexample basket and both discounts, or the offers
    -- that could not be decided.
    comparison    jsonb   NOT NULL,
    deadline      timestamptz,
    -- resolved_at may lie ahead, when better Terms have been published but bind later.
    resolved_at   timestamptz,
    created_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (contract_id, floor_id)
);
CREATE INDEX renegotiations_deadline ON renegotiations (deadline);

-- A merchant's contract covers an outlet before and after the outlet's own one,
-- so a pair may have several periods; they stay disjoint by one_contract_an_outlet.
ALTER TABLE contract_outlets DROP CONSTRAINT contract_outlets_pkey;
ALTER TABLE contract_outlets ADD PRIMARY KEY (contract_id, outlet_id, during);
