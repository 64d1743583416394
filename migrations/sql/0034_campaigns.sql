-- Campaigns: voucher series are claimed, expire and are counted by series, while the
-- vouchers themselves lie with their cards.
CREATE INDEX vouchers_series ON vouchers (series_id, card_serial);
