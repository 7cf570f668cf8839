-- Held mail (SEMANTICS c6 "What lies in the store", THREAT-MODEL T-02).
-- In clear: id, state, times, size, keyed tags, the sketch. Sealed: box and card. All times are the database's own.
-- IF NOT EXISTS: some distributed engines do not roll back what a broken step has made.
CREATE TABLE IF NOT EXISTS held (
    id            BYTEA NOT NULL PRIMARY KEY CHECK (length(id) = 32),
    state         TEXT NOT NULL
                  CHECK (state IN ('asking', 'held', 'sending', 'sent', 'discarded', 'expired', 'replaced')),
    day           DATE,             -- UTC day of the day key
    created       TIMESTAMPTZ,
    expires       TIMESTAMPTZ,
    decided       TIMESTAMPTZ,
    size          BIGINT NOT NULL DEFAULT 0,
    box           BYTEA,
    card          BYTEA,
    week          TEXT,             -- ISO week of the week key that made the tags, YYYY-Www
    tag_resend    BYTEA,
    tag_account   BYTEA,
    tag_message   BYTEA,
    tag_subject   BYTEA,
    sketch        BYTEA,
    helps         INTEGER NOT NULL DEFAULT 0,
    claim         BYTEA,            -- nonce of whoever is deciding now
    claimed_until TIMESTAMPTZ,
    -- A waiting row is whole.
    CHECK (state NOT IN ('asking', 'held', 'sending') OR (
        day IS NOT NULL AND created IS NOT NULL AND expires IS NOT NULL AND decided IS NULL
        AND box IS NOT NULL AND card IS NOT NULL
    )),
    -- A tombstone is id, state and time.
    CHECK (state IN ('asking', 'held', 'sending') OR (
        decided IS NOT NULL AND size = 0 AND helps = 0
        AND day IS NULL AND created IS NULL AND expires IS NULL AND box IS NULL AND card IS NULL
        AND week IS NULL AND tag_resend IS NULL AND tag_account IS NULL AND tag_message IS NULL
        AND tag_subject IS NULL AND sketch IS NULL AND claim IS NULL AND claimed_until IS NULL
    ))
);

CREATE INDEX IF NOT EXISTS held_by_resend ON held (tag_resend) WHERE tag_resend IS NOT NULL;
CREATE INDEX IF NOT EXISTS held_by_expiry ON held (expires) WHERE expires IS NOT NULL;
CREATE INDEX IF NOT EXISTS held_by_decision ON held (decided) WHERE decided IS NOT NULL;
-- What waits of one account (quotas, `smtpguard expire --account`), and with one Subject (12-14).
CREATE INDEX IF NOT EXISTS held_of_account ON held (tag_account, tag_subject, week) WHERE tag_account IS NOT NULL;
-- What a sweep asks for every few seconds can be read from an index alone.
CREATE INDEX IF NOT EXISTS held_by_day ON held (day) WHERE day IS NOT NULL;

-- Who stores a mail of an account under a quota puts its tag here first and takes it away in the same transaction:
-- whoever comes at the same time waits at that key. No committed row is ever seen here.
CREATE TABLE IF NOT EXISTS adding (
    account BYTEA NOT NULL PRIMARY KEY
);

-- How many notices an account was sent in a day. `asker` is a keyed mark under the day key, so that a row says nothing
-- once that key is gone, and is deleted after its day.
CREATE TABLE IF NOT EXISTS notices (
    asker BYTEA NOT NULL PRIMARY KEY,
    day   DATE NOT NULL,            -- UTC day
    count INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS notices_by_day ON notices (day);

-- One row: when any node was last seen alive, and the last time that all were away for long. After that each node that
-- comes back is told of it for a while, not only the first.
CREATE TABLE IF NOT EXISTS sign_of_life (
    only_row    INTEGER NOT NULL PRIMARY KEY CHECK (only_row = 1),
    seen        TIMESTAMPTZ NOT NULL,
    seen_before TIMESTAMPTZ,
    away_since  TIMESTAMPTZ,
    back        TIMESTAMPTZ
);
