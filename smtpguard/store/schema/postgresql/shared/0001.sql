-- Keys that several nodes share, and what was decided (THREAT-MODEL T-04, T-05). Each node has a copy in its own folder.

-- Wrapped under the nodes' common secret. UNLOGGED: never in the server's log, and so in no archive, replica or base
-- backup. A crash of the server empties it; then the nodes put their copies back.
CREATE UNLOGGED TABLE IF NOT EXISTS shared_keys (
    name    TEXT NOT NULL PRIMARY KEY,
    wrapped BYTEA NOT NULL
);

-- The names of all keys that were made: nobody makes one a second time while the table above is empty. Those that were
-- erased, and when: a node that was away erases its copy when it is back.
CREATE TABLE IF NOT EXISTS known_keys (
    name   TEXT NOT NULL PRIMARY KEY,
    made   DATE NOT NULL,
    erased DATE
);

-- What was decided on holds of days whose keys are there: as much as tombstones say.
CREATE TABLE IF NOT EXISTS decided_ids (
    id    BYTEA NOT NULL PRIMARY KEY CHECK (length(id) = 32),
    day   DATE NOT NULL,            -- UTC day of the day key
    state TEXT NOT NULL CHECK (state IN ('sent', 'discarded', 'expired', 'replaced')),
    at    BIGINT NOT NULL           -- microseconds since 1970, UTC
);
CREATE INDEX IF NOT EXISTS decided_ids_by_day ON decided_ids (day);
