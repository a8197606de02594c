//! What the outbox and the disk say of an id.

use std::sync::Arc;

use crate::config::Config;
use crate::delivery::Stored;
use crate::drain::{is_there, promised};
use crate::file::FileRef;
use crate::id::{ContentId, Kind};
use crate::outbox::{DeliveryRecord, FileOf, FileRecord, ItemRecord, Outbox, OutboxError};
use crate::proof::{Audio, Claim, Report, Standing, Texts};
use crate::watch::Questions;

/// A claim, and the files that it rests on.
#[derive(Clone, Debug, PartialEq)]
pub struct Grounds {
    pub claim: Claim,
    pub files: Vec<FileRef>,
}

/// What is needed to say it.
#[derive(Clone)]
pub struct Reader {
    pub outbox: Outbox,
    pub questions: Questions,
    pub config: Arc<Config>,
    /// The target that it is said of.
    pub target: &'static str,
}

impl Reader {
    /// Reads what is recorded of an id, and its files.
    ///
    /// # Errors
    /// Only those of the outbox; those of a file are part of the claim.
    pub async fn read(&self, id: &ContentId) -> Result<Grounds, OutboxError> {
        let records = self.outbox.record_of(id.clone()).await?;
        let of = |kind| records.iter().find(|record| record.kind == kind);
        let files = records.iter().flat_map(|record| &record.files);
        let files = files.map(|file| file.file.clone()).collect();
        let report = match of(Kind::Report) {
            Some(record) => self.report(record).await?,
            None => None,
        };
        let audio = match of(Kind::Audio) {
            Some(record) => self.audio(record).await,
            None => None,
        };
        Ok(Grounds { claim: Claim { report, audio }, files })
    }

    async fn report(&self, record: &ItemRecord) -> Result<Option<Report>, OutboxError> {
        let Some(source) = source(record) else { return Ok(None) };
        let delivery = self.delivery(record);
        let standing = standing(delivery);
        let texts = match standing {
            Standing::Acknowledged | Standing::Reserved(_) | Standing::Adopted => {
                self.texts(record.item, source).await?
            }
            // Nobody asks.
            Standing::Open(_) | Standing::Dropped => Ok(Texts::default()),
        };
        let taken = delivery.map(|delivery| delivery.summaries.clone()).unwrap_or_default();
        Ok(Some(Report { standing, texts, taken }))
    }

    async fn texts(
        &self,
        item: i64,
        source: &FileRecord,
    ) -> Result<Result<Texts, String>, OutboxError> {
        let file = source.file.clone();
        let Some(parcel) = self.outbox.preview(item).await? else {
            return Ok(Err(format!("{file} is gone")));
        };
        let config = Arc::clone(&self.config);
        let asking = self.questions.ask(file.root, Some(&file.name), move |pulse| {
            Ok(promised(&parcel, &config, pulse).map(|payload| Texts::from(&payload)))
        });
        Ok(asking.await.unwrap_or_else(|error| Err(format!("{file} cannot be read: {error}"))))
    }

    async fn audio(&self, record: &ItemRecord) -> Option<Audio> {
        let source = source(record)?;
        let standing = standing(self.delivery(record));
        let FileRecord { file, stamp, .. } = source.clone();
        let (of, root) = (FileOf { file: file.clone(), stamp }, self.config.watch.exports.clone());
        let asking =
            self.questions.ask(file.root, Some(&file.name), move |_| Ok(is_there(&root, &of)));
        let there =
            asking.await.unwrap_or_else(|error| Err(format!("{file} cannot be read: {error}")));
        Some(Audio { standing, size: there.map(|()| u64::try_from(stamp.size).unwrap_or(0)) })
    }

    fn delivery<'a>(&self, record: &'a ItemRecord) -> Option<&'a DeliveryRecord> {
        record.deliveries.iter().find(|delivery| delivery.target == self.target)
    }
}

/// The file that stands for an item.
fn source(record: &ItemRecord) -> Option<&FileRecord> {
    record.files.first().filter(|file| file.is_source)
}

fn standing(delivery: Option<&DeliveryRecord>) -> Standing {
    let Some(delivery) = delivery else {
        return Standing::Open("it was not sent yet".to_owned());
    };
    let or = |reason: &Option<String>, otherwise: &str| {
        reason.clone().unwrap_or_else(|| otherwise.to_owned())
    };
    match delivery.stored {
        Stored::Current if delivery.acked_ms.is_none() => Standing::Adopted,
        Stored::Current => match &delivery.warning {
            Some(warning) => Standing::Reserved(warning.clone()),
            None => Standing::Acknowledged,
        },
        Stored::Due { .. } => match &delivery.error {
            Some(error) => Standing::Open(format!("it is to be tried again: {error}")),
            None => Standing::Open("it is to be sent".to_owned()),
        },
        Stored::WaitsForReport => Standing::Open(or(&delivery.waits, "it waits for its report")),
        Stored::Parked => {
            Standing::Open(format!("it is parked: {}", or(&delivery.error, "no reason is known")))
        }
        Stored::Dropped | Stored::Vanished => Standing::Dropped,
    }
}
