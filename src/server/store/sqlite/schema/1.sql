-- The dashboard's tables (contract C.2, C.5), and what belongs to the audio files.
-- Every time is in microseconds since 1970, UTC: what PostgreSQL's timestamptz keeps.

-- One row for each piece of content.
CREATE TABLE content (
    video_id           TEXT PRIMARY KEY NOT NULL,        -- as sent, byte for byte
    title              TEXT NOT NULL,
    channel_name       TEXT NOT NULL,
    indexed_at         INTEGER NOT NULL,                 -- where the card stands in a listing
    duration_seconds   INTEGER,                          -- of the video
    thumbnail_url      TEXT,
    canonical_url      TEXT,
    subcategories_json TEXT,                             -- JSON object or array
    analysis_json      TEXT,                             -- JSON object; audio_url is in here
    topics_json        TEXT,                             -- JSON object or array
    has_audio          INTEGER NOT NULL CHECK (has_audio IN (0, 1)),
    version            INTEGER,                          -- the sender's number; null: never said
    created_at         INTEGER NOT NULL,
    updated_at         INTEGER NOT NULL
) STRICT;

-- Every text that a variant ever had; the latest is the one that is shown.
CREATE TABLE content_summaries (
    id         INTEGER PRIMARY KEY,
    video_id   TEXT NOT NULL REFERENCES content (video_id) ON DELETE CASCADE,
    variant    TEXT NOT NULL,                            -- comprehensive, audio-fr:beginner, ...
    revision   INTEGER NOT NULL,                         -- grows with each new text, from 1
    is_latest  INTEGER NOT NULL CHECK (is_latest IN (0, 1)),
    text       TEXT NOT NULL,
    html       TEXT,                                     -- null hides it (contract C.6)
    created_at INTEGER NOT NULL,
    UNIQUE (video_id, variant, revision)
) STRICT;

CREATE UNIQUE INDEX content_summaries_latest
    ON content_summaries (video_id, variant) WHERE is_latest = 1;

-- One row for each audio file, which may be here before its content is. No two ids have one file,
-- not even where the file system does not tell a from A.
CREATE TABLE content_audio (
    video_id         TEXT PRIMARY KEY NOT NULL,
    file_name        TEXT NOT NULL UNIQUE COLLATE NOCASE, -- in the media folder
    digest           BLOB NOT NULL,                       -- of the bytes: 16 bytes of BLAKE3
    bytes            INTEGER NOT NULL,
    duration_seconds INTEGER,                             -- how long it plays, if the sender said
    version          INTEGER,                             -- the sender's number; null: never said
    created_at       INTEGER NOT NULL,
    updated_at       INTEGER NOT NULL
) STRICT;
