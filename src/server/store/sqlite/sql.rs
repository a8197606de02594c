//! Every statement of the store, each with a name.

/// Whether the tables answer.
pub(super) const ANY: &str = "SELECT count(*) FROM (SELECT 1 FROM content LIMIT 1)";

pub(super) const CONTENT: &str = "
    SELECT video_id, title, channel_name, indexed_at, duration_seconds, thumbnail_url,
           canonical_url, subcategories_json, analysis_json, topics_json, has_audio, version
      FROM content WHERE video_id = :video_id";

pub(super) const PUT_CONTENT: &str = "
    INSERT INTO content
           (video_id, title, channel_name, indexed_at, duration_seconds, thumbnail_url,
            canonical_url, subcategories_json, analysis_json, topics_json, has_audio, version,
            created_at, updated_at)
    VALUES (:video_id, :title, :channel_name, :indexed_at, :duration_seconds, :thumbnail_url,
            :canonical_url, :subcategories_json, :analysis_json, :topics_json, :has_audio, :version,
            :now, :now)
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
           has_audio = excluded.has_audio,
           version = excluded.version,
           updated_at = excluded.updated_at";

pub(super) const TITLE: &str = "SELECT title FROM content WHERE video_id = :video_id";

/// The latest text of a variant, and the highest revision that it ever had.
pub(super) const LATEST_SUMMARY: &str = "
    SELECT text, html, (SELECT max(revision) FROM content_summaries
                         WHERE video_id = :video_id AND variant = :variant)
      FROM content_summaries
     WHERE video_id = :video_id AND variant = :variant AND is_latest = 1";

pub(super) const RETIRE_SUMMARY: &str = "
    UPDATE content_summaries SET is_latest = 0
     WHERE video_id = :video_id AND variant = :variant AND is_latest = 1";

pub(super) const ADD_SUMMARY: &str = "
    INSERT INTO content_summaries (video_id, variant, revision, is_latest, text, html, created_at)
    VALUES (:video_id, :variant, :revision, 1, :text, :html, :now)";

pub(super) const LATEST_SUMMARIES: &str = "
    SELECT variant, revision, text, html, created_at
      FROM content_summaries
     WHERE video_id = :video_id AND is_latest = 1
     ORDER BY variant";

pub(super) const AUDIO: &str = "
    SELECT file_name, digest, duration_seconds, version
      FROM content_audio WHERE video_id = :video_id";

pub(super) const AUDIO_NAME_TAKEN: &str =
    "SELECT EXISTS (SELECT 1 FROM content_audio WHERE file_name = :file_name)";

pub(super) const PUT_AUDIO: &str = "
    INSERT INTO content_audio
           (video_id, file_name, digest, bytes, duration_seconds, version, created_at, updated_at)
    VALUES (:video_id, :file_name, :digest, :bytes, :duration_seconds, :version, :now, :now)
    ON CONFLICT (video_id) DO UPDATE SET
           digest = excluded.digest,
           bytes = excluded.bytes,
           duration_seconds = excluded.duration_seconds,
           version = excluded.version,
           updated_at = excluded.updated_at";

/// Whose a file name is, in whatever case.
pub(super) const AUDIO_OF_NAME: &str =
    "SELECT video_id, file_name FROM content_audio WHERE file_name = :file_name";

pub(super) const DELETE_CONTENT: &str = "DELETE FROM content WHERE video_id = :video_id";

pub(super) const DELETE_AUDIO: &str = "DELETE FROM content_audio WHERE video_id = :video_id";
