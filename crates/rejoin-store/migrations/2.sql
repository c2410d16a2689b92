-- Version 2: a store may be sealed.

-- The seal: one row if the store is sealed, none if it is not. If everything is sealed, then in the
-- table `peers` the column `key` holds 16 bytes that tell nothing instead of a name, `name` is empty,
-- `last_seen` is NULL, and `record` is an object `{"sealed":…}`; so is `json` in the table `memory`.
CREATE TABLE seal (
    -- Always 1.
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    -- The store's key, wrapped in its user's: a JSON object that begins with `kdf`.
    header TEXT    NOT NULL
) STRICT;
