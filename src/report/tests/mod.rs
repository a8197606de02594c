//! The room as a whole: whole files in, whole reports out.

mod hostile;
mod ids;
mod losses;
mod shapes;
mod summaries;
mod table_h;
mod universal;

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::{IdPolicy, Problem, Report, Shape, Source, read};

/// The id that most of the invented files are about.
const ID: &str = "aB-3_xY9zQk";

fn read_as(root: &Value, file_stem: &str, ids: IdPolicy) -> Result<Report, Problem> {
    read(root.to_string().as_bytes(), &Source { file_stem, zone: &TimeZone::UTC, ids })
}

fn report(root: &Value) -> Report {
    read_as(root, "some_slug", IdPolicy::Prefixed).unwrap_or_else(|e| panic!("{e}: {root}"))
}

/// The smallest file of a shape, which gives its id and no field.
fn minimal(shape: Shape) -> Value {
    match shape {
        Shape::Universal => json!({
            "content_source": "youtube", "id": format!("yt:{ID}"), "analysis": {},
            "title": "Untitled",
        }),
        Shape::EmptiedUniversal => json!({
            "content_source": "youtube", "id": "yt:ab-3_xy9zqk", "analysis": {},
            "title": "", "canonical_url": "", "channel_name": "Unknown",
            "metadata": {"report_id": format!("{ID}_4f0c1e")},
        }),
        Shape::LegacyNested => json!({"video": {"video_id": ID}}),
        Shape::Converted => json!({
            "source_metadata": {"youtube": {"video_id": ID}}, "media_info": {},
        }),
        Shape::FlatRow => json!({
            "id": "yt:ab-3_xy9zqk", "video_id": ID, "title": "", "format_source": "api",
        }),
        Shape::Raw => json!({"metadata": {"video_id": ID}, "summary": {}, "processed_at": ""}),
        Shape::IngestReady => json!({"video_id": ID, "title": ""}),
    }
}

/// Puts a value at keys joined by dots, and makes the objects on the way.
fn put(root: &mut Value, path: &str, value: Value) {
    let mut place = root;
    for key in path.split('.') {
        if !place.is_object() {
            *place = json!({});
        }
        place = &mut place[key];
    }
    *place = value;
}

/// A minimal file of a shape with these values put in.
fn with(shape: Shape, values: &[(&str, Value)]) -> Value {
    let mut root = minimal(shape);
    for (path, value) in values {
        put(&mut root, path, value.clone());
    }
    root
}
