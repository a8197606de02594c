//! The table `content_summaries`: a plain INSERT of the whole batch, or of nothing (contract C.5).

use serde_json::Value;

use super::record::Summary;

/// The variants that make a record visible (contract C.6).
pub(super) const VISIBLE: [&str; 10] = [
    "comprehensive",
    "key-points",
    "bullet-points",
    "executive",
    "key-insights",
    "audio",
    "audio-fr",
    "audio-es",
    "audio-fr:intermediate",
    "audio-fr:advanced",
];

/// Inserts a batch into a record's summaries, and says how many of it were taken: all or none.
pub(super) fn insert(table: &mut Vec<Summary>, variants: &Value, triggers: bool) -> usize {
    let Some(items) = variants.as_array() else { return 0 };
    let mut next = table.clone();
    for item in items {
        if insert_one(&mut next, item, triggers).is_none() {
            return 0;
        }
    }
    *table = next;
    items.len()
}

/// `None` is the database's error, which rolls the batch back and is told to nobody.
fn insert_one(table: &mut Vec<Summary>, item: &Value, triggers: bool) -> Option<()> {
    let fields = item.as_object()?;
    let column = |name: &str, default: &str| match fields.get(name) {
        None => Some(Some(default.to_owned())),
        Some(Value::Null) => Some(None),
        Some(Value::String(text)) => Some(Some(text.clone())),
        Some(Value::Number(number)) => Some(Some(number.to_string())),
        Some(Value::Bool(truth)) => Some(Some(truth.to_string())),
        Some(Value::Array(_) | Value::Object(_)) => None,
    };
    let variant = column("variant", "comprehensive")??;
    let text = column("text", "")?;
    let html = column("html", "")?;
    let asked = match fields.get("revision") {
        None => Some(1),
        Some(Value::Null) => None,
        Some(Value::Number(number)) => Some(i32::try_from(number.as_i64()?).ok()?),
        Some(Value::String(text)) => Some(text.parse().ok()?),
        Some(_) => return None,
    };
    let same = || table.iter().filter(|row| row.variant == variant);
    let revision = match asked {
        Some(revision) if revision > 0 => revision,
        // With only migration 001, null violates NOT NULL and 0 makes the trigger recurse.
        _ if !triggers => return None,
        _ => same().map(|row| row.revision).max().unwrap_or(0) + 1,
    };
    if same().any(|row| row.revision == revision) {
        return None;
    }
    for row in table.iter_mut().filter(|row| row.variant == variant) {
        row.is_latest = false;
    }
    table.push(Summary { variant, revision, text, html, is_latest: true });
    Some(())
}
