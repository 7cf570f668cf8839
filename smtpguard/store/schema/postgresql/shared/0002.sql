-- What the node that made a key knows it again by: keyed by the nodes' secret, and of 256 random bits, so that it says
-- nothing of the key. A node whose line broke in the making, by a crash that emptied `shared_keys`, puts its key there.
ALTER TABLE known_keys ADD COLUMN IF NOT EXISTS proof BYTEA;
