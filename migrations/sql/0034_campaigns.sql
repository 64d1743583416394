-- Campaigns: voucher series are claimed, expire and are counted by series, while the
-- vouchers themselves lie with their cards.
CREATE INDEX vouchers_series ON vouchers (series_id, card_serial);

-- settled: the series is closed and no voucher of it is held any more, so that the
-- chore which lets vouchers expire need not look at it again.
ALTER TABLE voucher_series ADD COLUMN settled boolean NOT NULL DEFAULT false;
