-- How far `smtpguard remember` has read each archive, or each file of one (THREAT-MODEL section 4). The marks are made of
-- the name and of the list, under the key of `week`, which lies elsewhere. Times are microseconds since 1970, UTC.
CREATE TABLE archives (
    week     TEXT NOT NULL,
    mark     BLOB NOT NULL,
    list     BLOB NOT NULL,
    position INTEGER NOT NULL,  -- where the next mail begins, and
    taken    INTEGER NOT NULL,  -- how far the last one was taken, in octets
    sample   BLOB NOT NULL,     -- keyed, of what stood around these places
    last     INTEGER,           -- when the last mail was written
    posts    INTEGER NOT NULL,  -- how many were remembered
    days     BLOB NOT NULL,     -- on which days, counted from 1970: four octets each, the first one first
    PRIMARY KEY (week, mark)
) STRICT, WITHOUT ROWID;

CREATE INDEX archives_by_list ON archives (week, list);
