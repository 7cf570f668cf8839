-- What a sweep asks for every few seconds is read from an index alone: the rows themselves are the boxes of all held mail.
CREATE INDEX held_by_day ON held (day) WHERE day IS NOT NULL;
DROP INDEX held_by_account;
CREATE INDEX held_by_account ON held (tag_account, tag_subject, week) WHERE tag_subject IS NOT NULL;
CREATE INDEX held_by_claim ON held (claim) WHERE claim IS NOT NULL;

-- The last absence of more than a day, and when it ended.
ALTER TABLE sign_of_life ADD COLUMN away_since INTEGER;
ALTER TABLE sign_of_life ADD COLUMN back INTEGER;
