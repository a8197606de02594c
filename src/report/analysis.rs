//! What a report says about its content: the analysis object, categories and topics (contract H).

use serde_json::{Map, Value, json};

use super::pick;
use super::table::{Column, LIST_COLUMNS, MP3_SECONDS, SUMMARY_IMAGE_URL};
use crate::contract::truthy;

/// Keys of image tooling at the root that a re-send would wipe (contract C.3).
const SUMMARY_IMAGE_KEYS: &str = "summary_image_";

/// `analysis_json`: always an object, since the dashboard's listing breaks on anything else.
pub(super) fn analysis(root: &Map<String, Value>, column: &Column) -> Map<String, Value> {
    let mut analysis = pick::at(root, column.analysis).and_then(pick::object).unwrap_or_default();
    if analysis.is_empty() {
        analysis = from_columns(root, column.analysis_columns);
    }
    if let Some(own) = root.get("analysis_json").and_then(pick::object) {
        analysis.extend(own);
    }
    if let Some(placeholder) = column.false_category
        && analysis.get("category") == Some(&json!([placeholder]))
    {
        analysis.remove("category");
    }
    if let Some(language) = pick::first_text(root, column.language) {
        analysis.insert("language".to_owned(), language.into());
    }
    if let Some(words) = pick::first_seconds(root, column.word_count) {
        analysis.entry("word_count").or_insert(words.into());
    }
    if let Some(length) = pick::first_seconds(root, &[MP3_SECONDS]) {
        analysis.insert("audio_duration_seconds".to_owned(), length.into());
    }
    let images = root.iter().filter(|(key, _)| key.starts_with(SUMMARY_IMAGE_KEYS));
    for (key, value) in images.filter(|(_, value)| truthy(value)) {
        analysis.insert(key.clone(), value.clone());
    }
    if let Some(url) = pick::first_text(root, &SUMMARY_IMAGE_URL) {
        analysis.insert("summary_image_url".to_owned(), url.into());
    }
    analysis.remove("audio_url");
    analysis
}

fn from_columns(root: &Map<String, Value>, columns: &[&str]) -> Map<String, Value> {
    let cell = |column: &str| {
        let value = root.get(column)?;
        let value = match LIST_COLUMNS.contains(&column) {
            true => Value::Array(pick::list(value)),
            false => value.clone(),
        };
        truthy(&value).then(|| (column.to_owned(), value))
    };
    columns.iter().filter_map(|column| cell(column)).collect()
}

/// `subcategories_json`: the file's own, else from the analysis' `categories`, else one entry for
/// each `category`, with the `subcategory` where there is one.
pub(super) fn subcategories(
    root: &Map<String, Value>,
    analysis: &Map<String, Value>,
) -> Option<Value> {
    own_subcategories(root).or_else(|| {
        let categories = match analysis.get("categories") {
            Some(Value::Array(categories)) if !categories.is_empty() => categories.clone(),
            _ => from_category(analysis),
        };
        (!categories.is_empty()).then(|| json!({ "categories": categories }))
    })
}

fn own_subcategories(root: &Map<String, Value>) -> Option<Value> {
    let own = root.get("subcategories_json")?;
    let own = match own {
        Value::String(text) => super::tree::parse_embedded(text)?,
        _ => own.clone(),
    };
    let empty = own.get("categories").is_some_and(|categories| !truthy(categories));
    ((own.is_object() || own.is_array()) && truthy(&own) && !empty).then_some(own)
}

fn from_category(analysis: &Map<String, Value>) -> Vec<Value> {
    let subcategories: Vec<&str> = pick::text(analysis, "subcategory").into_iter().collect();
    let categories = analysis.get("category").map(pick::list).unwrap_or_default();
    categories
        .into_iter()
        .map(|category| json!({ "category": category, "subcategories": subcategories }))
        .collect()
}

/// `topics_json`: the first list that has any.
pub(super) fn topics(root: &Map<String, Value>, column: &Column) -> Option<Value> {
    column
        .topics
        .iter()
        .map(|path| pick::at(root, path).map(pick::list).unwrap_or_default())
        .find(|topics| !topics.is_empty())
        .map(Value::Array)
}
