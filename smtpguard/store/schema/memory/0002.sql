-- What the guard did in each ISO week (YYYY-Www), sealed under a week key that lies elsewhere (THREAT-MODEL T-53): a number
-- of one beside a held mail would tell its list and its rule.
CREATE TABLE figures (
    week   TEXT NOT NULL PRIMARY KEY,
    sealed BLOB NOT NULL
) STRICT, WITHOUT ROWID;
