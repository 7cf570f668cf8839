-- 12-14: the waiting mail of one account with one Subject.
CREATE INDEX held_by_account ON held (tag_account, tag_subject) WHERE tag_subject IS NOT NULL;
