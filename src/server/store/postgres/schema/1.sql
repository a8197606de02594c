-- The dashboard's tables (contract C.2, C.5), unless the dashboard has made them already: then they
-- are used as they are. What only the ingest side needs is in tables of its own.

DO $$
BEGIN
    IF to_regclass('content') IS NULL THEN
        -- One row for each piece of content.
        CREATE TABLE content (
            video_id           text PRIMARY KEY,     -- as sent, byte for byte
            id                 text,                 -- the dashboard reads it, nobody writes it here
            title              text NOT NULL,
            channel_name       text NOT NULL,
            published_at       timestamptz,          -- the dashboard reads it, nobody writes it here
            indexed_at         timestamptz NOT NULL, -- where the card stands in a listing
            duration_seconds   integer,              -- of the video
            thumbnail_url      text,
            canonical_url      text,
            subcategories_json jsonb,                -- object or array
            analysis_json      jsonb,                -- object; audio_url is in here
            topics_json        jsonb,                -- object or array
            has_audio          boolean NOT NULL DEFAULT false,
            created_at         timestamptz NOT NULL DEFAULT now(),
            updated_at         timestamptz NOT NULL DEFAULT now()
        );
        CREATE INDEX content_indexed_at ON content (indexed_at DESC, video_id);
    END IF;

    -- What ON CONFLICT (video_id) needs; the dashboard sees to it as well (contract C.7).
    IF NOT EXISTS (
        SELECT FROM pg_index
         WHERE indrelid = to_regclass('content') AND indisunique AND indpred IS NULL
           AND indnkeyatts = 1
           AND indkey[0] = (SELECT attnum FROM pg_attribute
                             WHERE attrelid = to_regclass('content') AND attname = 'video_id')
    ) THEN
        CREATE UNIQUE INDEX ytv2_ingest_content_video_id ON content (video_id);
    END IF;

    IF to_regclass('content_summaries') IS NULL THEN
        -- Every text that a variant ever had; the latest is the one that is shown.
        CREATE TABLE content_summaries (
            id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            video_id   text NOT NULL REFERENCES content (video_id) ON DELETE CASCADE,
            variant    text NOT NULL,                -- comprehensive, audio-fr:beginner, ...
            revision   integer NOT NULL,             -- grows with each new text, from 1
            is_latest  boolean NOT NULL,
            text       text NOT NULL,
            html       text,                         -- null hides it (contract C.6)
            created_at timestamptz NOT NULL DEFAULT now(),
            UNIQUE (video_id, variant, revision)
        );
        CREATE INDEX content_summaries_latest
            ON content_summaries (video_id, variant) WHERE is_latest;
    END IF;
END
$$;

-- The sender's number of each report, which counts only while its content is there. No reference
-- to content: a table of the dashboard's is not to depend on one of ours.
CREATE TABLE ytv2_ingest_reports (
    video_id text PRIMARY KEY,
    version  bigint                                  -- null: never said
);

-- One row for each audio file, which may be here before its content is.
CREATE TABLE ytv2_ingest_audio (
    video_id         text PRIMARY KEY,
    file_name        text NOT NULL,                  -- in the media folder or bucket
    digest           bytea NOT NULL,                 -- of the bytes: 16 bytes of BLAKE3
    bytes            bigint NOT NULL,
    duration_seconds bigint,                         -- how long it plays, if the sender said
    version          bigint,                         -- the sender's number; null: never said
    created_at       timestamptz NOT NULL,
    updated_at       timestamptz NOT NULL
);

-- No two ids have one file, not even where the file system does not tell a from A.
CREATE UNIQUE INDEX ytv2_ingest_audio_file_name
    ON ytv2_ingest_audio (lower(file_name COLLATE "C"));
