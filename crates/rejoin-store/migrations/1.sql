-- Version 1: the first.

-- One row per peer. Not WITHOUT ROWID: a record of one or two KiB in the inner nodes of the tree would
-- leave room for two or three keys per page, and the indexes below would repeat the whole key
-- instead of a row number.
CREATE TABLE peers (
    -- Row number, as SQLite keeps it. Means nothing outside this file.
    id        INTEGER PRIMARY KEY,
    -- The peer's stable name in bytes: of a libp2p peer the multihash. Orders a scan.
    key       BLOB    NOT NULL UNIQUE,
    -- The same name in text, as every program shows it. For people; never read back.
    name      TEXT    NOT NULL,
    -- 0: proven by our own authenticated connection. 1: hearsay.
    pool      INTEGER NOT NULL CHECK (pool IN (0, 1)),
    -- 1: we were connected to it when we last stopped, or still are.
    anchor    INTEGER NOT NULL CHECK (anchor IN (0, 1)),
    -- Of two peers the one with the higher rank has the higher score, whenever one looks.
    rank      REAL    NOT NULL,
    -- When it last proved to be alive, in milliseconds since 1970; NULL for never. For people.
    last_seen INTEGER,
    -- Everything known of it, as a JSON object that begins with its key. Only this is read back.
    record    TEXT    NOT NULL
) STRICT;

-- The best of each pool, equals by key.
CREATE INDEX peers_by_rank ON peers (pool, rank DESC, key);

-- The anchors, a few among thousands.
CREATE INDEX peers_anchors ON peers (rank DESC, key) WHERE anchor = 1;

-- What is remembered beside the peers: at most one row.
CREATE TABLE memory (
    -- Always 1.
    id   INTEGER PRIMARY KEY CHECK (id = 1),
    -- The secret that places hearsay, survival counts, breakers: a JSON object.
    json TEXT    NOT NULL
) STRICT;
