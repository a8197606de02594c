//! What there is of some ids before reports of them are taken.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use deadpool_postgres::Transaction;
use futures_util::future::try_join5;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::super::Summary;
use super::super::level::Audio;
use super::put::Sent;
use super::rows::{Content, content};
use super::{audio_rows, sql};

type Result<T> = std::result::Result<T, tokio_postgres::Error>;

/// What to do about an id that somebody else is writing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Busy {
    /// With one id only: whoever holds some and waits for more can be waited for.
    Wait,
    Leave,
}

/// What there is of an id that nobody else writes until the transaction ends.
pub(super) struct Before {
    pub(super) held: Option<Content>,
    pub(super) audio: Option<Audio>,
    /// Of each variant that the report has, in its order.
    pub(super) latest: Vec<Option<Latest>>,
}

/// The latest text of a variant.
pub(super) struct Latest {
    text: String,
    html: Option<String>,
    pub(super) is_latest: bool,
    /// The variant's highest revision.
    pub(super) revision: i64,
}

impl Latest {
    pub(super) fn is(&self, summary: &Summary) -> bool {
        self.is_latest && self.text == summary.text && self.html == summary.html
    }
}

/// Locks the ids of reports, each of another, and reads all of that in one journey to the server and
/// back: it does one after another on a connection, so that the locks come first. None for an id
/// that was left.
pub(super) async fn before(
    db: &Transaction<'_>,
    sent: &[Arc<Sent>],
    busy: Busy,
) -> Result<Vec<Option<Before>>> {
    let (lock, for_update) = match busy {
        Busy::Wait => (sql::LOCK_IDS, sql::FOR_UPDATE),
        Busy::Leave => (sql::LOCK_FREE_IDS, sql::FOR_UPDATE_IF_FREE),
    };
    // First of all, or what has to be prepared would come after what has not.
    let lock = db.prepare_cached(lock).await?;
    let known = db.prepare_cached(sql::KNOWN).await?;
    let records = db.prepare_cached(&format!("{}{for_update}", sql::CONTENT)).await?;
    let audio = db.prepare_cached(sql::AUDIO).await?;
    let latest = db.prepare_cached(sql::LATEST_OF_VARIANTS).await?;

    let reports = || sent.iter().map(|sent| &sent.report);
    let ids: Vec<&str> = reports().map(|report| report.video_id.as_str()).collect();
    let (of, variants): (Vec<&str>, Vec<&str>) = reports()
        .flat_map(|report| {
            report.summaries.iter().map(|s| (report.video_id.as_str(), s.variant.as_str()))
        })
        .unzip();
    let ids: [&(dyn ToSql + Sync); 1] = [&ids];
    let (locked, known, records, audio, latest) = try_join5(
        db.query(&lock, &ids),
        async {
            match busy {
                Busy::Wait => Ok(Vec::new()),
                Busy::Leave => db.query(&known, &ids).await,
            }
        },
        db.query(&records, &ids),
        db.query(&audio, &ids),
        db.query(&latest, &[&of, &variants]),
    )
    .await?;

    let mut records: HashMap<String, Content> = by_id(&records, content)?;
    let mut audio: HashMap<String, Audio> = by_id(&audio, audio_rows::read)?;
    let mut latest: HashMap<(&str, &str), Latest> = latest
        .iter()
        .map(|row| Ok(((row.try_get("video_id")?, row.try_get("variant")?), read_latest(row)?)))
        .collect::<Result<_>>()?;
    let locked: HashSet<&str> = locked.iter().map(|row| row.try_get(0)).collect::<Result<_>>()?;
    let known: HashSet<&str> = known.iter().map(|row| row.try_get(0)).collect::<Result<_>>()?;
    Ok(reports()
        .map(|report| {
            let id = report.video_id.as_str();
            let held = records.remove(id);
            // A row that is there and was not to be had is being written by a dashboard.
            let free = locked.contains(id) && (held.is_some() || !known.contains(id));
            free.then(|| Before {
                held,
                audio: audio.remove(id),
                latest: report
                    .summaries
                    .iter()
                    .map(|summary| latest.remove(&(id, summary.variant.as_str())))
                    .collect(),
            })
        })
        .collect())
}

fn by_id<T>(rows: &[Row], read: impl Fn(&Row) -> Result<T>) -> Result<HashMap<String, T>> {
    rows.iter().map(|row| Ok((row.try_get("video_id")?, read(row)?))).collect()
}

fn read_latest(row: &Row) -> Result<Latest> {
    Ok(Latest {
        text: row.try_get("text")?,
        html: row.try_get("html")?,
        is_latest: row.try_get("is_latest")?,
        revision: row.try_get("revision")?,
    })
}
