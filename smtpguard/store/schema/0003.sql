-- What waits for one account (quotas, `smtpguard expire --account`).
CREATE INDEX held_of_account ON held (tag_account, state, expires, size) WHERE tag_account IS NOT NULL;

-- How many notices an account was sent in a day. `asker` is a keyed mark under the day key, so that a row says nothing
-- once that key is gone, and is deleted after its day.
CREATE TABLE notices (
    asker BLOB NOT NULL PRIMARY KEY,
    day   TEXT NOT NULL,            -- UTC day, YYYY-MM-DD
    count INTEGER NOT NULL
) STRICT;
CREATE INDEX notices_by_day ON notices (day);
