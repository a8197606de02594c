//! Reads everything back from the ingest side, and compares it with the files.

use anyhow::{Context, ensure};
use serde_json::Value;

use super::samples::{Audio, Rewrite, SAMPLES, Sample};

/// Compares each record and the audio with what was dropped, and says what was compared.
pub async fn everything(
    url: &str,
    audio: &Audio,
    rewrite: &Rewrite,
) -> anyhow::Result<Vec<String>> {
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build()?;
    let get = async |path: String| -> anyhow::Result<Vec<u8>> {
        let response = client.get(format!("{url}{path}")).send().await?;
        ensure!(response.status().is_success(), "{path} answers {}", response.status());
        Ok(response.bytes().await?.to_vec())
    };
    let mut records = 0;
    let mut summaries = 0;
    for sample in last_of_each_id() {
        let text = get(format!("/{}.json", sample.id)).await?;
        let record: Value = serde_json::from_slice(&text)?;
        let rewritten = (rewrite.sample.id == sample.id).then_some(rewrite);
        compare(&record, sample, rewritten).with_context(|| format!("record {}", sample.id))?;
        records += 1;
        summaries += sample.variants.len();
        if sample.id == audio.id {
            let analysis = &record["analysis"];
            let length = analysis["audio_duration_seconds"].as_i64();
            ensure!(record["has_audio"] == true, "{}: has no audio", sample.id);
            ensure!(length == Some(audio.seconds), "{}: length is {length:?}", sample.id);
            let place = analysis["audio_url"].as_str().context("no audio_url")?.to_owned();
            ensure!(get(place).await? == audio.bytes, "the audio came out differently");
        }
    }
    Ok(vec![
        format!("{records} records: id, title, channel and date as in the files"),
        format!("{summaries} summaries: each text stands in its file, the rewritten one is latest"),
        format!(
            "{} bytes of audio: the same bytes, {} seconds, linked to its record",
            audio.bytes.len(),
            audio.seconds
        ),
    ])
}

/// Two files about one video are one record; the later one lists what it must have.
fn last_of_each_id() -> impl Iterator<Item = &'static Sample> {
    SAMPLES.iter().enumerate().filter_map(|(at, sample)| {
        let last = SAMPLES.iter().rposition(|other| other.id == sample.id);
        (last == Some(at)).then_some(sample)
    })
}

fn compare(record: &Value, sample: &Sample, rewrite: Option<&Rewrite>) -> anyhow::Result<()> {
    ensure!(record["video_id"] == sample.id, "its id is {}", record["video_id"]);
    ensure!(record["title"] == sample.title, "its title is {}", record["title"]);
    ensure!(record["channel"] == sample.channel, "its channel is {}", record["channel"]);
    ensure!(record["indexed_at"].as_str().is_some_and(|at| at.starts_with("2025-")), "no date");
    let variants = record["summary_variants"].as_array().context("it has no summaries")?;
    let mut names: Vec<_> = variants.iter().filter_map(|v| v["variant"].as_str()).collect();
    names.sort_unstable();
    ensure!(names == sample.variants, "its summaries are {names:?}");
    for variant in variants {
        let text = variant["text"].as_str().context("a summary without a text")?;
        let stands = SAMPLES
            .iter()
            .filter(|other| other.id == sample.id)
            .map(|other| other.text)
            .chain(rewrite.map(|rewrite| rewrite.text.as_str()))
            .any(|file| has_string(&serde_json::from_str(file).unwrap_or_default(), text));
        ensure!(!text.is_empty() && stands, "the text of {} is in no file", variant["variant"]);
    }
    if let Some(rewrite) = rewrite {
        let latest = variants.iter().any(|v| {
            v["text"].as_str().is_some_and(|text| text.contains(rewrite.new_words))
                && v["revision"].as_i64() > Some(1)
        });
        ensure!(latest, "the rewritten text is not the latest");
    }
    Ok(())
}

/// Whether a string stands anywhere in a document.
fn has_string(document: &Value, text: &str) -> bool {
    match document {
        Value::String(found) => found.trim() == text.trim(),
        Value::Array(items) => items.iter().any(|item| has_string(item, text)),
        Value::Object(fields) => fields.values().any(|field| has_string(field, text)),
        _ => false,
    }
}
