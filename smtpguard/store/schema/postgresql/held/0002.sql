-- Tags of the answers for which a mail in `sending` was sent: what a mail server brings again is not answered by sending
-- it again. Under the code of the notice, so that they say nothing to whoever has them.
ALTER TABLE held ADD COLUMN IF NOT EXISTS answers BYTEA CHECK (answers IS NULL OR state = 'sending');
