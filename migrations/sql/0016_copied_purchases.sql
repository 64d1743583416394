-- What costs PostgreSQL most in a purchase besides writing it: reading its lines as
-- JSON and checking seven CHECKs one by one.

-- lines is JSON text made by the committer and read back by nothing but the desk;
-- reports cast it (lines::json).
-- The CHECKs say what they said, in two expressions. Keys are ASCII, so their
-- length in bytes is that in characters.
ALTER TABLE purchases
    ALTER COLUMN committed_at SET DEFAULT now(), -- of the transaction, as COPY can't say
    ALTER COLUMN lines TYPE text USING lines::text,
    DROP CONSTRAINT purchases_idem_key_check,
    DROP CONSTRAINT purchases_state_check,
    DROP CONSTRAINT purchases_amount_fen_check,
    DROP CONSTRAINT purchases_check,
    DROP CONSTRAINT purchases_check1,
    DROP CONSTRAINT purchases_check2,
    DROP CONSTRAINT purchases_check3,
    ADD CONSTRAINT purchases_form CHECK (
        octet_length(idem_key) BETWEEN 1 AND 64 AND state IN (1, 2, 3, 4, 5, 9)),
    ADD CONSTRAINT purchases_money CHECK (
        amount_fen <= 100000000 AND discount_fen <= amount_fen AND union_share_fen <= discount_fen
        AND union_share_fen >= 0
        AND returned_fen >= 0 AND returned_fen <= amount_fen - discount_fen
        AND given_back_fen >= 0 AND given_back_fen <= discount_fen);
