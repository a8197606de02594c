//! A bucket for each test, on the object store that `YTV2_TEST_S3` names and that keeps its buckets
//! as folders in `YTV2_TEST_S3_ROOT` (`.ci/s3 run` sets both).

#![allow(dead_code)]

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::ingest::Home;
use crate::postgres::skipped;

pub struct Bucket {
    endpoint: String,
    root: PathBuf,
    name: String,
}

impl Bucket {
    /// None, said aloud, without an object store.
    pub fn fresh() -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let said = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
        let (Some(endpoint), Some(root)) = (said("YTV2_TEST_S3"), said("YTV2_TEST_S3_ROOT")) else {
            skipped("YTV2_TEST_S3 is not set: see .ci/s3");
            return None;
        };
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("test-{}-{number}", std::process::id());
        std::fs::create_dir(PathBuf::from(&root).join(&name)).unwrap();
        Some(Self { endpoint, root: root.into(), name })
    }

    /// A home that keeps its audio in a folder of this bucket.
    pub fn home(&self, store: &str) -> Home {
        self.home_with(store, "s3cret")
    }

    pub fn home_with(&self, store: &str, secret: &str) -> Home {
        Home::at(store)
            .with_media(&format!("s3://{}/audio", self.name))
            .with_media_dir(self.root.join(&self.name).join("audio"))
            .with_env("AWS_ENDPOINT_URL", &self.endpoint)
            .with_env("AWS_ACCESS_KEY_ID", "ytv2")
            .with_env("AWS_SECRET_ACCESS_KEY", secret)
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(self.root.join(&self.name));
    }
}
