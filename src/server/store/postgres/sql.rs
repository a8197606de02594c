//! Every statement of the store, each with a name.
//!
//! Parameters and results are cast to the types that are used here, so that a table of the
//! dashboard's may have `varchar` or `bigint` where ours has `text` or `integer`. Times are
//! `timestamptz`, JSON columns are `jsonb`.

use jiff::Timestamp;

/// Whether the tables answer.
pub(super) const ANY: &str = "SELECT count(*) FROM (SELECT 1 FROM content LIMIT 1) AS one";

/// Puts the writers of an id in a row, in whichever process they are, until the transaction ends.
/// A row cannot do that: it may not be there yet.
pub(super) const LOCK_IDS: &str = "
    SELECT video_id FROM unnest($1::text[]) AS video_id
     WHERE pg_advisory_xact_lock(hashtextextended(video_id, 1498699337)) IS NOT NULL";

/// The same for those that nobody else writes now, which it gives. It waits for none, so that it does
/// not matter in which order two transactions ask for theirs.
pub(super) const LOCK_FREE_IDS: &str = "
    SELECT video_id FROM unnest($1::text[]) AS video_id
     WHERE pg_try_advisory_xact_lock(hashtextextended(video_id, 1498699337))";

/// Which of some ids have a record, locked or not.
pub(super) const KNOWN: &str =
    "SELECT video_id::text FROM content WHERE video_id = ANY ($1::text[])";

/// The rows of some ids and their versions. With `FOR UPDATE` behind it, it also waits for a
/// dashboard that is writing the same row, and holds the next one up.
pub(super) const CONTENT: &str = "
    SELECT video_id::text,
           coalesce(title, '')::text AS title,
           coalesce(channel_name, '')::text AS channel_name,
           coalesce(indexed_at, now()) AS indexed_at,
           duration_seconds::bigint,
           thumbnail_url::text, canonical_url::text,
           subcategories_json::text, analysis_json::text, topics_json::text,
           coalesce(has_audio, false) AS has_audio,
           (SELECT version FROM ytv2_ingest_reports AS r WHERE r.video_id = content.video_id)
               AS version
      FROM content WHERE video_id = ANY ($1::text[])";

pub(super) const FOR_UPDATE: &str = " FOR UPDATE";

/// The same without waiting: a row that is being written is left out.
pub(super) const FOR_UPDATE_IF_FREE: &str = " FOR UPDATE SKIP LOCKED";

/// Writes each row unless it says all of this already; gives the title that is now there where it
/// has written.
pub(super) const PUT_CONTENT: &str = "
    INSERT INTO content
           (video_id, title, channel_name, indexed_at, duration_seconds, thumbnail_url,
            canonical_url, subcategories_json, analysis_json, topics_json, has_audio)
    SELECT video_id, title, channel_name, indexed_at, duration_seconds, thumbnail_url,
           canonical_url, subcategories::jsonb, analysis::jsonb, topics::jsonb, has_audio
      FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::bigint[], $6::text[],
                  $7::text[], $8::text[], $9::text[], $10::text[], $11::boolean[])
           AS new (video_id, title, channel_name, indexed_at, duration_seconds, thumbnail_url,
                   canonical_url, subcategories, analysis, topics, has_audio)
    ON CONFLICT (video_id) DO UPDATE SET
           title = excluded.title,
           channel_name = excluded.channel_name,
           indexed_at = excluded.indexed_at,
           duration_seconds = excluded.duration_seconds,
           thumbnail_url = excluded.thumbnail_url,
           canonical_url = excluded.canonical_url,
           subcategories_json = excluded.subcategories_json,
           analysis_json = excluded.analysis_json,
           topics_json = excluded.topics_json,
           has_audio = excluded.has_audio
     WHERE (content.title, content.channel_name, content.indexed_at, content.duration_seconds,
            content.thumbnail_url, content.canonical_url, content.subcategories_json,
            content.analysis_json, content.topics_json, content.has_audio)
           IS DISTINCT FROM
           (excluded.title, excluded.channel_name, excluded.indexed_at, excluded.duration_seconds,
            excluded.thumbnail_url, excluded.canonical_url, excluded.subcategories_json,
            excluded.analysis_json, excluded.topics_json, excluded.has_audio)
    RETURNING video_id::text, title::text";

pub(super) const PUT_VERSIONS: &str = "
    INSERT INTO ytv2_ingest_reports (video_id, version)
    SELECT * FROM unnest($1::text[], $2::bigint[])
    ON CONFLICT (video_id) DO UPDATE SET version = excluded.version";

/// Where there is no row, no number is known either.
pub(super) const FORGET_VERSIONS: &str = "
    UPDATE ytv2_ingest_reports SET version = NULL
     WHERE video_id = ANY ($1::text[]) AND version IS NOT NULL";

/// Whether there is a record to link audio to; if so, nobody else writes it until the transaction
/// ends.
pub(super) const HOLD_CONTENT: &str =
    "SELECT FROM content WHERE video_id = $1::text FOR NO KEY UPDATE";

/// Adds what is known of the audio to what else is known (contract D, "DB effect").
pub(super) const LINK_AUDIO: &str = "
    UPDATE content
       SET has_audio = true,
           analysis_json = CASE jsonb_typeof(analysis_json)
                           WHEN 'object' THEN analysis_json ELSE '{}' END || $2::text::jsonb
     WHERE video_id = $1::text
       AND NOT (has_audio AND coalesce(analysis_json @> $2::text::jsonb, false))";

/// The latest text of some variants, and the highest revision that each ever had. Looks up one
/// after the other by their index, however many there are.
pub(super) const LATEST_OF_VARIANTS: &str = "
    SELECT asked.video_id, asked.variant, latest.*
      FROM unnest($1::text[], $2::text[]) AS asked (video_id, variant)
     CROSS JOIN LATERAL (
           SELECT coalesce(s.text, '')::text AS text, s.html::text,
                  coalesce(s.is_latest, false) AS is_latest,
                  (max(s.revision) OVER ())::bigint AS revision
             FROM content_summaries AS s
            WHERE s.video_id = asked.video_id AND s.variant = asked.variant
            ORDER BY s.is_latest DESC NULLS LAST, s.revision DESC
            LIMIT 1) AS latest";

pub(super) const RETIRE_SUMMARIES: &str = "
    UPDATE content_summaries AS s SET is_latest = false
      FROM unnest($1::text[], $2::text[]) AS old (video_id, variant)
     WHERE s.video_id = old.video_id AND s.variant = old.variant AND s.is_latest";

pub(super) const ADD_SUMMARIES: &str = "
    INSERT INTO content_summaries (video_id, variant, revision, is_latest, text, html, created_at)
    SELECT video_id, variant, revision, true, text, html, created_at
      FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::timestamptz[])
           AS new (video_id, variant, revision, text, html, created_at)";

pub(super) const LATEST_SUMMARIES: &str = "
    SELECT DISTINCT ON (video_id, variant COLLATE \"C\")
           video_id::text, variant::text, revision::bigint, coalesce(text, '')::text AS text, html::text,
           coalesce(created_at, to_timestamp(0)) AS created_at
      FROM content_summaries
     WHERE video_id = ANY ($1::text[]) AND is_latest
     ORDER BY video_id, variant COLLATE \"C\", content_summaries.revision DESC";

pub(super) const AUDIO: &str = "
    SELECT video_id, file_name, digest, duration_seconds, version
      FROM ytv2_ingest_audio WHERE video_id = ANY ($1::text[])";

/// Adds a row unless another id has the file name. Waits for a transaction that is just taking it.
pub(super) const ADD_AUDIO: &str = "
    INSERT INTO ytv2_ingest_audio
           (video_id, file_name, digest, bytes, duration_seconds, version, created_at, updated_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $7)
    ON CONFLICT DO NOTHING";

pub(super) const UPDATE_AUDIO: &str = "
    UPDATE ytv2_ingest_audio
       SET file_name = $2, digest = $3, bytes = $4, duration_seconds = $5, version = $6,
           updated_at = $7
     WHERE video_id = $1";

/// The same for those who would have one file name, in whatever case, each for another id or none.
pub(super) const LOCK_NAME: &str =
    "SELECT pg_advisory_xact_lock(hashtextextended(lower($1::text COLLATE \"C\"), 1498699339))";

/// Whose a file name is, in whatever case.
pub(super) const AUDIO_OF_NAME: &str = "
    SELECT video_id, file_name FROM ytv2_ingest_audio
     WHERE lower(file_name COLLATE \"C\") = lower($1::text COLLATE \"C\")";

/// The first of some ids that has a record.
pub(super) const FIRST_CONTENT: &str = "
    SELECT video_id::text FROM content WHERE video_id = ANY ($1::text[])
     ORDER BY array_position($1::text[], video_id::text) LIMIT 1";

/// Before the record, whose reference need not cascade where the table is the dashboard's.
pub(super) const DELETE_SUMMARIES: &str = "DELETE FROM content_summaries WHERE video_id = $1::text";

pub(super) const DELETE_CONTENT: &str = "DELETE FROM content WHERE video_id = $1::text";

pub(super) const DELETE_VERSION: &str = "DELETE FROM ytv2_ingest_reports WHERE video_id = $1::text";

pub(super) const DELETE_AUDIO: &str = "DELETE FROM ytv2_ingest_audio WHERE video_id = $1::text";

/// Whether no other server on these tables is making the index of words, until the connection ends.
/// Nobody waits for that: whoever did, in a transaction, would be waited for.
pub(super) const ALONE_AT_WORDS: &str =
    "SELECT pg_try_advisory_lock(1498699340, hashtext(current_schema()))";

/// The indexes of words, that of the last moment first but for [`WORDS_SINCE`].
pub(super) const WORDS: &str = "
    SELECT relname::text AS name, indisvalid AS whole
      FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
     WHERE indrelid = to_regclass('content_summaries') AND starts_with(relname, 'ytv2_ingest_words')
     ORDER BY relname COLLATE \"C\" DESC";

/// Up to when an index of this name has the texts; none if it has them all, as it was made once.
pub(super) fn words_moment(name: &str) -> Option<Timestamp> {
    let micros = name.strip_prefix("ytv2_ingest_words_")?.parse().ok()?;
    Timestamp::from_microsecond(micros).ok()
}

/// The summaries that have come since a moment, the others being those of which this is not true.
pub(super) fn since(moment: Timestamp) -> String {
    format!("created_at > timestamptz '{moment}'")
}

/// How many latest texts there are, how many have come since a moment, and when the last one came.
pub(super) fn count_words(moment: Option<Timestamp>) -> String {
    let since = moment.map_or("true".into(), since);
    format!(
        "SELECT count(*) AS texts, count(*) FILTER (WHERE {since}) AS since,
                coalesce(least(max(created_at), now()), now()) AS last
           FROM content_summaries WHERE is_latest"
    )
}

/// `name`: one of ours, so that it needs no quotes.
pub(super) fn drop_words(name: &str) -> String {
    format!("DROP INDEX CONCURRENTLY {name}")
}

/// PostgreSQL's own, and trusted: whoever may create in the database may have it.
pub(super) const TRIGRAMS: &str = "CREATE EXTENSION IF NOT EXISTS pg_trgm";

pub(super) const TRIGRAMS_SCHEMA: &str =
    "SELECT extnamespace::regnamespace::text FROM pg_extension WHERE extname = 'pg_trgm'";

/// `schema`: as SQL has it, quoted if need be.
pub(super) fn make_words(moment: Timestamp, schema: &str) -> String {
    format!(
        "CREATE INDEX CONCURRENTLY ytv2_ingest_words_{} ON content_summaries
          USING gin (text {schema}.gin_trgm_ops) WHERE is_latest AND ({}) IS NOT TRUE",
        moment.as_microsecond(),
        since(moment),
    )
}

/// What the texts since a moment are found by, at hardly any price.
pub(super) const WORDS_SINCE: &str = "ytv2_ingest_words_since";

pub(super) const MAKE_WORDS_SINCE: &str = "
    CREATE INDEX CONCURRENTLY ytv2_ingest_words_since ON content_summaries USING brin (created_at)";

/// Where servers on these tables hear each other: in a database there may be more such tables, in
/// another schema.
pub(super) const CHANNEL: &str = "
    SELECT (SELECT 'ytv2_ingest_' || relnamespace
              FROM pg_class WHERE oid = to_regclass('ytv2_ingest_reports'))";

pub(super) const TELL: &str =
    "SELECT pg_notify($1::text, message) FROM unnest($2::text[]) AS message";
