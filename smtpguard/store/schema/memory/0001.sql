-- The memory of rule 12 (THREAT-MODEL section 4): marks and fingerprints under week keys that lie elsewhere, and times.
-- Times are microseconds since 1970, UTC; weeks are ISO weeks, YYYY-Www. Several marks lie behind each other.
CREATE TABLE posts (
    id           INTEGER NOT NULL PRIMARY KEY,
    week         TEXT NOT NULL,
    time         INTEGER NOT NULL,
    account      BLOB NOT NULL,
    lists        BLOB NOT NULL,
    together     BLOB NOT NULL,
    home         BLOB,
    narrowed_to  BLOB,
    words        INTEGER NOT NULL,
    fingerprints BLOB NOT NULL      -- last: SQLite reads a row from its beginning
) STRICT;

-- All that tells whether a post is compared at all.
CREATE INDEX posts_by_account ON posts (account, time, lists);
CREATE INDEX posts_by_time ON posts (time);
-- Texts are kept for a shorter time than the rest.
CREATE INDEX posts_with_text ON posts (time) WHERE words > 0;

-- Marks of the Message-IDs of a post and of those that it answers.
CREATE TABLE links (
    mark BLOB NOT NULL,
    post INTEGER NOT NULL REFERENCES posts (id) ON DELETE CASCADE,
    PRIMARY KEY (mark, post)
) STRICT, WITHOUT ROWID;

CREATE INDEX links_by_post ON links (post);

-- Who has posted to which list.
CREATE TABLE posted (
    account BLOB NOT NULL,
    list    BLOB NOT NULL,
    week    TEXT NOT NULL,
    PRIMARY KEY (account, list)
) STRICT, WITHOUT ROWID;
