-- The memory (THREAT-MODEL section 4): marks and fingerprints under week keys that lie elsewhere, and times. Nothing here
-- can be read without the keys: it stays in WAL and base backups after it was deleted (T-04).
-- Times are microseconds since 1970, UTC; weeks are ISO weeks, YYYY-Www, which sort alike in every collation. Several marks
-- lie behind each other. IF NOT EXISTS: some distributed engines do not roll back what a broken step has made.

-- Posts to lists (rule 12).
CREATE TABLE IF NOT EXISTS posts (
    id           BYTEA NOT NULL PRIMARY KEY,    -- eight octets of time, eight more: in the order of time, alike on no two nodes
    week         TEXT NOT NULL,
    account      BYTEA NOT NULL,
    lists        BYTEA NOT NULL,
    together     BYTEA NOT NULL,
    home         BYTEA,
    narrowed_to  BYTEA,
    words        INTEGER NOT NULL,
    fingerprints BYTEA NOT NULL
);

-- All that tells whether a post is compared at all.
CREATE INDEX IF NOT EXISTS posts_by_account ON posts (account, id, lists);
CREATE INDEX IF NOT EXISTS posts_by_week ON posts (week);
-- Texts are kept for a shorter time than the rest.
CREATE INDEX IF NOT EXISTS posts_with_text ON posts (id) WHERE words > 0;

-- Marks of the Message-IDs of a post and of those that it answers. A post and its links are written by one statement and
-- deleted by one, so no reference is checked for each of them.
CREATE TABLE IF NOT EXISTS links (
    mark BYTEA NOT NULL,
    post BYTEA NOT NULL,
    PRIMARY KEY (mark, post)
);

CREATE INDEX IF NOT EXISTS links_by_post ON links (post);

-- Who has posted to which list.
CREATE TABLE IF NOT EXISTS posted (
    account BYTEA NOT NULL,
    list    BYTEA NOT NULL,
    week    TEXT NOT NULL,
    PRIMARY KEY (account, list)
);

-- Private mail, and posts of closed lists: one row for each mailbox that has it, all under keys that lie elsewhere and are
-- different for each mailbox (T-11). Of several persons the marks lie behind each other.
CREATE TABLE IF NOT EXISTS mails (
    mailbox      BYTEA NOT NULL,
    time         BIGINT NOT NULL,
    thread       BYTEA NOT NULL,
    message      BYTEA NOT NULL,
    conversation BYTEA NOT NULL,
    week         TEXT NOT NULL,
    authors      BYTEA NOT NULL,
    audience     BYTEA NOT NULL,
    topic        BYTEA NOT NULL,
    flags        INTEGER NOT NULL,   -- 1 own, 2 may be forwarded, 4 may not, 8 post of a closed list
    fingerprints BYTEA NOT NULL,
    PRIMARY KEY (mailbox, time, thread, message)
);

CREATE INDEX IF NOT EXISTS mails_by_time ON mails (time);
CREATE INDEX IF NOT EXISTS mails_by_week ON mails (week);
CREATE INDEX IF NOT EXISTS mails_by_message ON mails (mailbox, message, time);

-- Fingerprints of posts of lists that everybody may read, under one key for each quarter of a year.
CREATE TABLE IF NOT EXISTS public_texts (
    season      TEXT NOT NULL,
    fingerprint BIGINT NOT NULL,
    PRIMARY KEY (season, fingerprint)
);

-- Who gets the posts of a closed list, as the tap has seen.
CREATE TABLE IF NOT EXISTS readers (
    account BYTEA NOT NULL,
    list    BYTEA NOT NULL,
    week    TEXT NOT NULL,
    PRIMARY KEY (account, list)
);

-- From when on all posts of a list, by its mark, are known.
CREATE TABLE IF NOT EXISTS known_since (
    season TEXT NOT NULL,
    list   BYTEA NOT NULL,
    time   BIGINT NOT NULL,
    PRIMARY KEY (season, list)
);

-- What the guard did in each ISO week, sealed under a week key (T-53).
CREATE TABLE IF NOT EXISTS figures (
    week   TEXT NOT NULL PRIMARY KEY,
    sealed BYTEA NOT NULL
);

-- How far `smtpguard remember` has read each archive, or each file of one. The marks are made of the name and of the list,
-- under the key of `week`.
CREATE TABLE IF NOT EXISTS archives (
    week     TEXT NOT NULL,
    mark     BYTEA NOT NULL,
    list     BYTEA NOT NULL,
    position BIGINT NOT NULL,   -- where the next mail begins, and
    taken    BIGINT NOT NULL,   -- how far the last one was taken, in octets
    sample   BYTEA NOT NULL,    -- keyed, of what stood around these places
    last     BIGINT,            -- when the last mail was written
    posts    BIGINT NOT NULL,   -- how many were remembered
    days     BYTEA NOT NULL,    -- on which days, counted from 1970: four octets each, the first one first
    PRIMARY KEY (week, mark)
);

CREATE INDEX IF NOT EXISTS archives_by_list ON archives (week, list);

-- One row at most: who is reading archives now, and until when if nothing is heard of him.
CREATE TABLE IF NOT EXISTS archive_reader (
    only_row INTEGER NOT NULL PRIMARY KEY CHECK (only_row = 1),
    nonce    BYTEA NOT NULL,
    until    TIMESTAMPTZ NOT NULL
);
