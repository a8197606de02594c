//! Table H of the contract: for each shape, where each field is looked for, first place first.
//!
//! Reading the rows of one constant from top to bottom is reading one column of the table.

use super::shape::Shape;

/// A place in the JSON, keys joined by dots. None of the pipeline's keys has a dot in it.
pub(super) type Path = &'static str;

/// Where a YouTube id may be found.
pub(super) enum IdAt {
    /// The id itself, or `yt:` before it.
    Id(Path),
    /// Any URL of the video.
    Url(Path),
    /// A report id: the video's id, `_`, six hexadecimal digits.
    ReportId(Path),
    /// The end of the file's name, unless a lower-cased root id speaks against it.
    FileTail,
    /// The root id of a file whose ids a tool has lower-cased: better than nothing.
    Lowered(Path),
}

/// Where a text may be found.
pub(super) enum TextAt {
    At(Path),
    /// A subreddit's name, shown with `r/` before it.
    Subreddit(Path),
    /// A path on reddit.com, or a whole URL.
    Permalink(Path),
    /// The watch page of a YouTube id.
    WatchPage,
    /// YouTube's own still of a YouTube id.
    Still,
}

/// Where the summaries stand (contract H.1).
pub(super) enum Summaries {
    /// In the first of these bodies.
    In(&'static [Path]),
    /// In the columns `summary_text` and `summary_type`.
    Row,
}

/// One shape's column of table H.
pub(super) struct Column {
    /// Empty: the shape's `video_id` is an id of any source already.
    pub youtube_id: &'static [IdAt],
    pub title: &'static [Path],
    pub channel_name: &'static [TextAt],
    pub canonical_url: &'static [TextAt],
    pub thumbnail_url: &'static [TextAt],
    pub duration_seconds: &'static [Path],
    pub indexed_at: &'static [Path],
    /// The object that `analysis_json` begins with; the root's own `analysis_json` goes over it.
    pub analysis: Path,
    /// Root columns that an empty analysis is rebuilt from.
    pub analysis_columns: &'static [Path],
    /// A category that a damaging tool wrote into every file it touched (contract A.3).
    pub false_category: Option<&'static str>,
    pub language: &'static [Path],
    /// Words of the summary, never of the transcript.
    pub word_count: &'static [Path],
    pub topics: &'static [Path],
    pub summaries: Summaries,
}

use IdAt::{FileTail, Id, Lowered, ReportId, Url};
use TextAt::{At, Permalink, Still, Subreddit, WatchPage};

/// Ids of any other source than YouTube: the prefix that a bare one gets, and its place.
pub(super) const OTHER_ID: [(Option<&str>, Path); 3] = [
    (None, "id"),
    (Some("reddit"), "source_metadata.reddit.submission_id"),
    (Some("web"), "source_metadata.web.id"),
];

/// Where late tools keep a summary's picture, as one URL (contract A.1, A.2).
pub(super) const SUMMARY_IMAGE_URL: [Path; 6] = [
    "summary_image_url",
    "summary_image.public_url",
    "summary.image_url",
    "summary.image.public_url",
    "summary.image",
    "media_metadata.summary_image_url",
];

/// The MP3's length. The other `audio_duration_seconds` in files are the video's (contract A.2).
pub(super) const MP3_SECONDS: Path = "media_metadata.mp3_duration_seconds";

/// Columns of a flat row that hold lists, some as JSON text, some as one bare word (contract J.3).
pub(super) const LIST_COLUMNS: [Path; 3] = ["category", "key_topics", "named_entities"];

const UNIVERSAL: Column = Column {
    youtube_id: &[
        Id("source_metadata.youtube.video_id"),
        Url("canonical_url"),
        Url("url"),
        Id("metadata.video_id"),
        Id("metadata.id"),
        Id("video_id"),
        // An emptied file whose title was mended looks universal, with its id still lower-cased.
        ReportId("metadata.report_id"),
        Id("id"),
    ],
    title: &[
        "title",
        "source_metadata.youtube.title",
        "metadata.title",
        "source_metadata.web.title",
        "summary.headline",
    ],
    channel_name: &[
        At("channel_name"),
        At("source_metadata.youtube.channel_name"),
        Subreddit("source_metadata.reddit.subreddit"),
        At("source_metadata.web.site_label"),
        At("source_metadata.web.site_name"),
        At("metadata.channel"),
        At("metadata.uploader"),
        At("source_metadata.youtube.uploader_id"),
    ],
    canonical_url: &[
        At("canonical_url"),
        At("url"),
        At("source_metadata.web.canonical_url"),
        Permalink("source_metadata.reddit.permalink"),
        WatchPage,
    ],
    thumbnail_url: &[
        At("thumbnail_url"),
        At("metadata.thumbnail"),
        At("source_metadata.web.top_image"),
        Still,
    ],
    duration_seconds: &[
        "duration_seconds",
        "metadata.duration",
        "source_metadata.youtube.duration",
    ],
    indexed_at: &[
        "indexed_at",
        "processed_at",
        "analysis.processing.completed_at",
        "summary.generated_at",
    ],
    analysis: "analysis",
    analysis_columns: &[],
    false_category: None,
    language: &[
        "analysis_json.language",
        "analysis.language",
        "original_language",
        "metadata.language",
        "summary_language",
        "summary.language",
    ],
    word_count: &["media_metadata.summary_word_count"],
    // The first is what a conversion leaves, where the topics are not those of the analysis.
    topics: &["topics_json", "analysis.key_topics", "metadata.tags"],
    summaries: Summaries::In(&["summary"]),
};

const EMPTIED: Column = Column {
    youtube_id: &[
        Id("source_metadata.youtube.video_id"),
        ReportId("metadata.report_id"),
        FileTail,
        Lowered("id"),
    ],
    title: &["metadata.title", "summary.content.headline"],
    channel_name: &[At("metadata.uploader")],
    canonical_url: &[WatchPage],
    thumbnail_url: &[Still],
    duration_seconds: &[
        "duration_seconds",
        "metadata.duration",
        "source_metadata.youtube.duration",
        "media_metadata.video_duration_seconds",
    ],
    indexed_at: &["metadata.generated_at", "summary.content.generated_at"],
    analysis: "analysis",
    analysis_columns: &[],
    false_category: Some("General"),
    language: &[
        "analysis_json.language",
        "original_language",
        "analysis.language",
        "summary_language",
    ],
    word_count: &["summary.word_count", "media_metadata.summary_word_count"],
    topics: &[],
    summaries: Summaries::In(&["summary.content", "summary"]),
};

const LEGACY: Column = Column {
    youtube_id: &[Id("video.video_id"), Url("video.url"), ReportId("metadata.report_id"), FileTail],
    title: &["video.title", "summary.content.headline"],
    channel_name: &[At("video.channel")],
    canonical_url: &[At("video.url"), WatchPage],
    thumbnail_url: &[At("video.thumbnail"), Still],
    duration_seconds: &[
        "video.duration",
        "stats.video_length_seconds",
        "media_metadata.video_duration_seconds",
    ],
    // The root's own came later, from another tool, and wins (contract A.8); so does a language.
    indexed_at: &["indexed_at", "metadata.generated_at", "summary.content.generated_at"],
    analysis: "summary.analysis",
    analysis_columns: &[],
    false_category: None,
    language: &[
        "analysis_json.language",
        "original_language",
        "summary.analysis.language",
        "video.language",
        "media_metadata.original_language",
        "summary_language",
        "media_metadata.summary_language",
    ],
    word_count: &[
        "summary.word_count",
        "stats.summary_word_count",
        "media_metadata.summary_word_count",
    ],
    topics: &["summary.topics", "summary.analysis.key_topics"],
    summaries: Summaries::In(&["summary.content", "summary"]),
};

const CONVERTED: Column = Column {
    youtube_id: &[
        Id("source_metadata.youtube.video_id"),
        Url("source_metadata.youtube.canonical_url"),
    ],
    title: &["source_metadata.youtube.title"],
    channel_name: &[At("source_metadata.youtube.channel_name")],
    canonical_url: &[At("source_metadata.youtube.canonical_url"), WatchPage],
    thumbnail_url: &[At("source_metadata.youtube.thumbnail_url")],
    duration_seconds: &["source_metadata.youtube.duration_seconds"],
    indexed_at: &["processing_metadata.indexed_at"],
    analysis: "content_analysis",
    analysis_columns: &[],
    false_category: None,
    language: &["analysis_json.language", "content_analysis.language"],
    word_count: &[],
    topics: &["content_analysis.key_topics"],
    summaries: Summaries::In(&["summary.content", "summary"]),
};

const FLAT: Column = Column {
    youtube_id: &[Id("video_id"), Lowered("id")],
    title: &["title"],
    channel_name: &[At("channel_name")],
    canonical_url: &[At("canonical_url")],
    thumbnail_url: &[At("thumbnail_url")],
    duration_seconds: &["duration_seconds"],
    indexed_at: &["indexed_at", "created_at"],
    analysis: "analysis",
    analysis_columns: &[
        "category",
        "subcategory",
        "content_type",
        "complexity_level",
        "language",
        "key_topics",
        "named_entities",
    ],
    false_category: None,
    language: &["analysis_json.language", "analysis.language", "language"],
    word_count: &[],
    topics: &["key_topics"],
    summaries: Summaries::Row,
};

const RAW: Column = Column {
    youtube_id: &[Id("metadata.video_id"), Url("url"), Url("metadata.url")],
    title: &["metadata.title", "summary.headline"],
    channel_name: &[At("metadata.uploader")],
    canonical_url: &[At("url"), At("metadata.url"), WatchPage],
    duration_seconds: &["metadata.duration"],
    indexed_at: &["processed_at", "summary.generated_at"],
    ..UNIVERSAL
};

const READY: Column = Column {
    youtube_id: &[],
    title: &["title"],
    channel_name: &[At("channel_name")],
    canonical_url: &[At("canonical_url")],
    thumbnail_url: &[At("thumbnail_url")],
    duration_seconds: &["duration_seconds"],
    indexed_at: &["indexed_at"],
    analysis: "analysis_json",
    analysis_columns: &[],
    false_category: None,
    language: &["analysis_json.language"],
    word_count: &[],
    topics: &["topics_json"],
    summaries: Summaries::In(&[]),
};

impl Shape {
    /// The shape's column of table H.
    pub(super) fn column(self) -> &'static Column {
        match self {
            Shape::Universal => &UNIVERSAL,
            Shape::EmptiedUniversal => &EMPTIED,
            Shape::LegacyNested => &LEGACY,
            Shape::Converted => &CONVERTED,
            Shape::FlatRow => &FLAT,
            Shape::Raw => &RAW,
            Shape::IngestReady => &READY,
        }
    }
}
