-- Private mail, and posts of closed lists: one row for each mailbox that has it, all under keys that lie elsewhere and are
-- different for each mailbox (THREAT-MODEL T-11). Of several persons the marks lie behind each other.
CREATE TABLE mails (
    mailbox      BLOB NOT NULL,
    time         INTEGER NOT NULL,
    thread       BLOB NOT NULL,
    message      BLOB NOT NULL,
    conversation BLOB NOT NULL,
    fingerprints BLOB NOT NULL,
    week         TEXT NOT NULL,
    authors      BLOB NOT NULL,
    audience     BLOB NOT NULL,
    topic        BLOB NOT NULL,
    flags        INTEGER NOT NULL,   -- 1 own, 2 may be forwarded, 4 may not, 8 post of a closed list
    PRIMARY KEY (mailbox, time, thread, message)
) STRICT, WITHOUT ROWID;             -- a mailbox lies together: it is read as a whole

CREATE INDEX mails_by_time ON mails (time);
CREATE INDEX mails_by_message ON mails (mailbox, message);

-- Fingerprints of posts of lists that everybody may read, under one key for each quarter of a year.
CREATE TABLE public_texts (
    season      TEXT NOT NULL,
    fingerprint INTEGER NOT NULL,
    PRIMARY KEY (season, fingerprint)
) STRICT, WITHOUT ROWID;

-- Who gets the posts of a closed list, as the tap has seen.
CREATE TABLE readers (
    account BLOB NOT NULL,
    list    BLOB NOT NULL,
    week    TEXT NOT NULL,
    PRIMARY KEY (account, list)
) STRICT, WITHOUT ROWID;

-- From when on all posts of a list, by its mark, are known.
CREATE TABLE known_since (
    season TEXT NOT NULL,
    list   BLOB NOT NULL,
    time   INTEGER NOT NULL,
    PRIMARY KEY (season, list)
) STRICT, WITHOUT ROWID;
