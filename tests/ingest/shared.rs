//! A report, and what the behaviours ask about it.

use serde_json::{Value, json};

use crate::ingest::{Reply, Server};

pub const ID: &str = "aB-3_xY9zQk";

pub fn payload(id: &str, text: &str) -> Value {
    json!({
        "video_id": id,
        "title": "How tides work",
        "channel_name": "Sea Lab",
        "canonical_url": "https://www.youtube.com/watch?v=aB-3_xY9zQk",
        "indexed_at": "2025-10-20T09:15:00Z",
        "duration_seconds": 727,
        "analysis_json": {"language": "en"},
        "subcategories_json": {"categories": [{"category": "Sea", "subcategories": []}]},
        "summary_variants": [
            {"variant": "comprehensive", "text": text, "html": format!("<p>{text}</p>"), "revision": 0}
        ],
    })
}

pub fn record(server: &Server, id: &str) -> Value {
    server.get(&format!("/{id}.json")).expect(200)
}

/// Text, revision and name of each summary that is shown.
pub fn summaries(server: &Server, id: &str) -> Vec<(String, String, i64)> {
    let field = |summary: &Value, name: &str| summary[name].as_str().unwrap().to_owned();
    record(server, id)["summary_variants"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| (field(s, "variant"), field(s, "text"), s["revision"].as_i64().unwrap()))
        .collect()
}

pub fn action(reply: &Reply) -> String {
    reply.expect(200)["action"].as_str().unwrap().to_owned()
}

/// Enough of gzip to be understood: stored blocks, uncompressed.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let mut blocks = bytes.chunks(0xffff).peekable();
    while let Some(block) = blocks.next() {
        let length = u16::try_from(block.len()).unwrap();
        out.push(u8::from(blocks.peek().is_none()));
        out.extend(length.to_le_bytes());
        out.extend((!length).to_le_bytes());
        out.extend(block);
    }
    let crc = bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 * (crc & 1)))
    });
    out.extend((!crc).to_le_bytes());
    out.extend(u32::try_from(bytes.len()).unwrap().to_le_bytes());
    out
}
