//! From text to a tree of values that is clean, shallow, and never much larger than its file.

use std::cell::Cell;
use std::fmt;
use std::io::BufReader;

use memchr::memchr;
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;
use serde_json::{Map, Value};

use super::problem::Problem;
use super::text::Latin1;

/// Root keys that can hold most of a file's bytes and none of a payload's: read over, not built
/// (contract A.2).
const UNBUILT: [&str; 3] = ["transcript", "transcript_segments", "chapter_slices"];

/// What the tree may take beyond the bytes of its strings. Real reports stay far under one MiB.
const BUDGET_BYTES: usize = 8 << 20;
/// The same of all strings together.
const TEXT_BYTES: usize = 8 << 20;
/// A value in a list whose capacity doubled just before.
const VALUE_BYTES: usize = 2 * size_of::<Value>();
/// The smallest list allocates room for four.
const LIST_BYTES: usize = 4 * size_of::<Value>();
/// The smallest map allocates a tree node with room for eleven entries.
const MAP_BYTES: usize = 11 * (size_of::<String>() + size_of::<Value>()) + 16;

/// The tree of one file.
pub(super) struct Tree {
    pub root: Map<String, Value>,
    /// Whether a NUL was taken out of some string (contract 0.4).
    pub had_nul: bool,
}

/// Reads a whole JSON text whose root is an object. Of a repeated key the last counts.
pub(super) fn parse(text: &str) -> Result<Tree, Problem> {
    parse_from(serde_json::Deserializer::from_str(text))
}

/// The same of bytes that are not UTF-8.
pub(super) fn parse_latin_1(bytes: &[u8]) -> Result<Tree, Problem> {
    let reader = BufReader::new(Latin1::new(super::text::unmarked(bytes)));
    parse_from(serde_json::Deserializer::from_reader(reader))
}

fn parse_from<'de, R: serde_json::de::Read<'de>>(
    mut input: serde_json::Deserializer<R>,
) -> Result<Tree, Problem> {
    let builder = Builder::default();
    match input.deserialize_any(Root(&builder)).and_then(|root| input.end().map(|()| root)) {
        Ok(root) => Ok(Tree { root, had_nul: builder.had_nul.get() }),
        Err(error) => Err(builder.problem(&error)),
    }
}

/// Reads JSON that is kept as text inside of JSON (contract A.5). `None`: it is no JSON.
pub(super) fn parse_embedded(text: &str) -> Option<Value> {
    let mut bytes = text.as_bytes().to_vec();
    super::text::mend_surrogates(&mut bytes);
    let builder = Builder::default();
    let mut input = serde_json::Deserializer::from_slice(&bytes);
    let value = builder.deserialize(&mut input).ok()?;
    input.end().ok().map(|()| value)
}

/// Why a text is no JSON that we take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unread {
    /// What the parser says of it.
    #[error("{0}")]
    Invalid(String),
    #[error("far more in it than any report has")]
    TooMuch,
}

/// Reads any JSON text just as it is, within the same bounds.
pub fn bounded_json(text: &str) -> Result<Value, Unread> {
    let builder = Builder { keeps_nul: true, ..Builder::default() };
    let mut input = serde_json::Deserializer::from_str(text);
    let value = builder.deserialize(&mut input).and_then(|value| input.end().map(|()| value));
    value.map_err(|error| match builder.spent.get() {
        true => Unread::TooMuch,
        false => Unread::Invalid(error.to_string()),
    })
}

/// Builds values out of what the parser meets, and stops when they cost too much.
struct Builder {
    left: Cell<usize>,
    text_left: Cell<usize>,
    spent: Cell<bool>,
    had_nul: Cell<bool>,
    keeps_nul: bool,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            left: Cell::new(BUDGET_BYTES),
            text_left: Cell::new(TEXT_BYTES),
            spent: Cell::new(false),
            had_nul: Cell::new(false),
            keeps_nul: false,
        }
    }
}

impl Builder {
    fn spend<E: de::Error>(&self, bytes: usize) -> Result<(), E> {
        self.take_from(&self.left, bytes)
    }

    fn spend_text<E: de::Error>(&self, text: &str) -> Result<(), E> {
        self.take_from(&self.text_left, text.len())
    }

    fn take_from<E: de::Error>(&self, budget: &Cell<usize>, bytes: usize) -> Result<(), E> {
        match budget.get().checked_sub(bytes) {
            Some(left) => {
                budget.set(left);
                Ok(())
            }
            None => {
                self.spent.set(true);
                Err(E::custom("over budget"))
            }
        }
    }

    fn clean(&self, mut text: String) -> String {
        if !self.keeps_nul && memchr(0, text.as_bytes()).is_some() {
            self.had_nul.set(true);
            text.retain(|character| character != '\0');
        }
        text
    }

    fn problem(&self, error: &serde_json::Error) -> Problem {
        if self.spent.get() {
            return Problem::TooComplex;
        }
        let full = error.to_string();
        let message = full.rsplit_once(" at line ").map_or(full.as_str(), |(message, _)| message);
        match error.classify() {
            Category::Data => Problem::NotAnObject,
            // serde_json has no category of its own for it.
            _ if message == "recursion limit exceeded" => Problem::TooDeep,
            _ => Problem::NotJson {
                line: error.line(),
                column: error.column(),
                message: message.to_owned(),
            },
        }
    }

    fn map<'de, A: MapAccess<'de>>(
        &self,
        mut entries: A,
        unbuilt: &[&str],
    ) -> Result<Map<String, Value>, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if unbuilt.contains(&key.as_str()) {
                entries.next_value::<IgnoredAny>()?;
                continue;
            }
            self.spend_text(&key)?;
            self.spend(if map.is_empty() { MAP_BYTES } else { size_of::<String>() })?;
            let value = entries.next_value_seed(self)?;
            map.insert(self.clean(key), value);
        }
        Ok(map)
    }
}

/// The root is a map or nothing.
struct Root<'b>(&'b Builder);

impl<'de> Visitor<'de> for Root<'_> {
    type Value = Map<String, Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<Self::Value, A::Error> {
        self.0.map(entries, &UNBUILT)
    }
}

impl<'de> DeserializeSeed<'de> for &Builder {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<Value, D::Error> {
        self.spend(VALUE_BYTES)?;
        input.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for &Builder {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Value, E> {
        self.spend_text(value)?;
        Ok(Value::String(self.clean(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            if list.is_empty() {
                self.spend(LIST_BYTES)?;
            }
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<Value, A::Error> {
        self.map(entries, &[]).map(Value::Object)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn root(text: &str) -> Value {
        Value::Object(parse(text).unwrap().root)
    }

    #[test]
    fn a_tree_is_what_the_text_says_without_the_bulk() {
        assert_eq!(
            root(r#"{"a": [1, -2, 0.5, true, null, "x"], "b": {"transcript": "kept"}}"#),
            json!({"a": [1, -2, 0.5, true, null, "x"], "b": {"transcript": "kept"}}),
        );
        assert_eq!(
            root(r#"{"transcript": "long", "transcript_segments": [{}], "chapter_slices": []}"#),
            json!({}),
        );
    }

    #[test]
    fn the_last_of_a_repeated_key_counts() {
        assert_eq!(root(r#"{"a": 1, "a": 2}"#), json!({"a": 2}));
    }

    #[test]
    fn nul_is_taken_out_of_texts_and_keys() {
        let tree = parse(r#"{"k\u0000ey": ["a\u0000b"]}"#).unwrap();
        assert!(tree.had_nul);
        assert_eq!(Value::Object(tree.root), json!({"key": ["ab"]}));
    }

    #[test]
    fn a_fault_names_its_place() {
        assert_eq!(
            parse("{\n  \"a\": ?}").err(),
            Some(Problem::NotJson { line: 2, column: 8, message: "expected value".to_owned() }),
        );
        assert!(matches!(parse("{} x").err(), Some(Problem::NotJson { .. })));
        for text in ["[]", "1", "\"x\"", "null"] {
            assert_eq!(parse(text).err(), Some(Problem::NotAnObject), "{text}");
        }
    }

    #[test]
    fn two_hundred_levels_are_too_deep_unless_nobody_looks_at_them() {
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        assert_eq!(parse(&format!("{{\"a\": {deep}}}")).err(), Some(Problem::TooDeep));
        assert!(parse(&format!("{{\"transcript\": {deep}}}")).is_ok());
        let endless = "{\"a\":".repeat(100_000);
        assert_eq!(parse(&endless).err(), Some(Problem::TooDeep));
        assert_eq!(parse_embedded(&deep), None);
    }

    #[test]
    fn a_flood_of_values_stops_before_it_costs_memory() {
        let zeros = "0,".repeat(5_000_000);
        let maps = "{\"a\":0},".repeat(100_000);
        for flood in [format!("[{zeros}0]"), format!("[{maps}0]")] {
            assert_eq!(parse(&format!("{{\"a\":{flood}}}")).err(), Some(Problem::TooComplex));
            assert_eq!(parse_embedded(&flood), None);
            assert!(parse(&format!("{{\"transcript\":{flood}}}")).is_ok());
        }
    }

    #[test]
    fn any_json_is_read_as_it_is_within_the_same_bounds() {
        assert_eq!(bounded_json(r#"["a\u0000", {"b": 1}]"#), Ok(json!(["a\0", {"b": 1}])));
        assert!(matches!(bounded_json("{"), Err(Unread::Invalid(_))));
        assert!(matches!(bounded_json("1 2"), Err(Unread::Invalid(_))));
        let zeros = format!("[{}0]", "0,".repeat(5_000_000));
        let long = format!("\"{}\"", "x".repeat(TEXT_BYTES + 1));
        for text in [zeros, long] {
            assert_eq!(bounded_json(&text), Err(Unread::TooMuch));
        }
    }

    #[test]
    fn json_in_text_is_read_like_json() {
        assert_eq!(parse_embedded("[\"a\\ud800\"]"), Some(json!(["a\u{fffd}"])));
        assert_eq!(parse_embedded("plain"), None);
        assert_eq!(parse_embedded("[1] 2"), None);
    }
}
