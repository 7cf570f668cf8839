-- Held mail (SEMANTICS c6 "What lies in the store", THREAT-MODEL T-02).
-- In clear: id, state, times, size, keyed tags, the sketch. Sealed: box and card. Times are microseconds since 1970, UTC.
CREATE TABLE held (
    id            BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 32),
    state         TEXT NOT NULL
                  CHECK (state IN ('asking', 'held', 'sending', 'sent', 'discarded', 'expired', 'replaced')),
    day           TEXT,             -- UTC day of the day key, YYYY-MM-DD
    created       INTEGER,
    expires       INTEGER,
    decided       INTEGER,
    size          INTEGER NOT NULL DEFAULT 0,
    box           BLOB,
    card          BLOB,
    week          TEXT,             -- ISO week of the week key that made the tags, YYYY-Www
    tag_resend    BLOB,
    tag_account   BLOB,
    tag_message   BLOB,
    tag_subject   BLOB,
    sketch        BLOB,
    helps         INTEGER NOT NULL DEFAULT 0,
    claim         BLOB,             -- nonce of whoever is deciding now
    claimed_until INTEGER,
    -- A waiting row is whole.
    CHECK (state NOT IN ('asking', 'held', 'sending') OR (
        day IS NOT NULL AND created IS NOT NULL AND expires IS NOT NULL AND decided IS NULL
        AND box IS NOT NULL AND card IS NOT NULL
    )),
    -- A tombstone is id, state and time.
    CHECK (state IN ('asking', 'held', 'sending') OR (
        decided IS NOT NULL AND size = 0 AND helps = 0
        AND coalesce(
            day, created, expires, box, card, week, tag_resend, tag_account, tag_message, tag_subject, sketch,
            claim, claimed_until
        ) IS NULL
    ))
) STRICT;

CREATE INDEX held_by_resend ON held (tag_resend) WHERE tag_resend IS NOT NULL;
CREATE INDEX held_by_expiry ON held (expires) WHERE expires IS NOT NULL;
CREATE INDEX held_by_decision ON held (decided) WHERE decided IS NOT NULL;

-- One row: when the guard was last seen alive.
CREATE TABLE sign_of_life (
    only_row INTEGER NOT NULL PRIMARY KEY CHECK (only_row = 1),
    seen     INTEGER NOT NULL
) STRICT;
