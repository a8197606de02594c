//! A row of the old database becomes the JSON of a flat row (contract A.5), which the reports' room
//! knows how to read.

use rusqlite::types::ValueRef;
use rusqlite::{CachedStatement, Connection, Row};
use serde_json::{Map, Value, json};

use super::layout::Layout;
use crate::contract::truthy;

/// Puts together what the tables say of one content.
pub struct Assembler<'c> {
    layout: &'c Layout,
    summaries: Option<CachedStatement<'c>>,
    variants: Option<CachedStatement<'c>>,
}

impl<'c> Assembler<'c> {
    pub fn new(connection: &'c Connection, layout: &'c Layout) -> rusqlite::Result<Self> {
        let prepare = |sql: &Option<String>| {
            sql.as_deref().map(|sql| connection.prepare_cached(sql)).transpose()
        };
        Ok(Self {
            layout,
            summaries: prepare(&layout.summaries)?,
            variants: prepare(&layout.variants)?,
        })
    }

    /// The columns of the layout are those of the row, in their order.
    pub fn flat_row(&mut self, row: &Row<'_>) -> rusqlite::Result<Map<String, Value>> {
        let mut flat = Map::new();
        for (index, name) in self.layout.columns.iter().enumerate() {
            flat.insert((*name).to_owned(), json_of(row.get_ref(index)?));
        }
        // Some versions have a plain text there, some an object, and some a text that was one.
        let own = flat.remove("summary").filter(Value::is_string);
        // A row without any of these would be taken for something else than a row.
        flat.entry("format_source").or_insert(Value::Null);

        let text = |key: &str| flat.get(key).and_then(Value::as_str).unwrap_or_default();
        let (id, video) = (text("id"), text("video_id"));
        let bare = id.strip_prefix("yt:").unwrap_or(id);
        let mut found = Vec::new();
        if let Some(variants) = &mut self.variants {
            let video = if video.is_empty() { bare } else { video };
            found.extend(summaries(variants, video)?);
            if found.is_empty() && video != id {
                found.extend(summaries(variants, id)?);
            }
        }
        if let Some(statement) = &mut self.summaries {
            found.extend(summaries(statement, id)?);
        }
        if !found.iter().any(|item| truthy(&item["text"])) {
            found.extend(own.map(|own| item(Value::Null, own, Value::Null, Map::new())));
        }
        // The latest stands first, and its elders have nothing to add.
        let mut names = Vec::new();
        found.retain(|item| {
            let is_new = truthy(&item["text"]) && !names.contains(&item["variant"]);
            names.extend(is_new.then(|| item["variant"].clone()));
            is_new
        });
        flat.insert("summary_variants".to_owned(), Value::Array(found));
        Ok(flat)
    }
}

fn summaries(statement: &mut CachedStatement<'_>, of: &str) -> rusqlite::Result<Vec<Value>> {
    statement
        .query_map([of], |row| {
            let extra = match embedded(&json_of(row.get_ref(3)?)) {
                Some(Value::Object(extra)) => extra,
                _ => Map::new(),
            };
            let value = |index| Ok::<_, rusqlite::Error>(json_of(row.get_ref(index)?));
            Ok(item(value(0)?, value(1)?, value(2)?, extra))
        })?
        .collect()
}

/// An item of `summary_variants` (contract A.2). Of what the pipeline kept beside it only the HTML
/// is of use.
fn item(name: Value, text: Value, date: Value, mut extra: Map<String, Value>) -> Value {
    // The old saver made text of whatever it was given.
    let text = embedded(&text).filter(Value::is_object).unwrap_or(text);
    let html = extra.remove("html").unwrap_or(Value::Null);
    json!({ "variant": name, "text": text, "generated_at": date, "html": html })
}

fn embedded(value: &Value) -> Option<Value> {
    let text = value.as_str()?.trim_start();
    text.starts_with('{').then(|| serde_json::from_str(text).ok())?
}

fn json_of(cell: ValueRef<'_>) -> Value {
    match cell {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => number.into(),
        ValueRef::Real(number) => number.into(),
        ValueRef::Text(text) | ValueRef::Blob(text) => String::from_utf8_lossy(text).into(),
    }
}
