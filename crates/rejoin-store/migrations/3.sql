-- Version 3: what is there for people alone is read off the record when they ask for it.

-- A row is a tenth shorter, so that six of the usual ones lie in a page instead of five. No generated
-- columns: SQLite works those out at every write.
ALTER TABLE peers DROP COLUMN name;
ALTER TABLE peers DROP COLUMN last_seen;

-- Every peer for people, under the names that the documentation uses. What is sealed or damaged is NULL.
CREATE VIEW people AS SELECT
    -- The peer's stable name, as every program shows it.
    CASE WHEN json_valid(record) THEN record ->> 'key' END AS name,
    -- When it last proved to be alive, in milliseconds since 1970; NULL for never, too.
    CASE WHEN json_valid(record) THEN record ->> 'last_seen' END AS last_seen,
    -- As in `peers`.
    pool, anchor, rank, record
FROM peers;
