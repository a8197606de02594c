//! Whether anything was mounted or unmounted, anywhere: no other event tells of that.

use std::fs::File;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// The kernel's table of mounts, as this process sees it.
pub struct Mounts {
    /// Nothing, where there is no such table.
    table: Option<AsyncFd<File>>,
}

impl Mounts {
    pub fn watch() -> Self {
        let open = || {
            let file = File::open("/proc/self/mounts")?;
            #[expect(
                deprecated,
                reason = "its replacement is unsafe, for types that may change their descriptor: a \
                          file does not, and nothing here is unsafe"
            )]
            AsyncFd::with_interest(file, Interest::PRIORITY)
        };
        Self { table: open().ok() }
    }

    /// Returns when the table has changed; never, where there is none.
    pub async fn changed(&self) {
        let Some(table) = &self.table else { return std::future::pending().await };
        match table.ready(Interest::PRIORITY).await {
            Ok(mut change) => change.clear_ready(),
            Err(_) => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn there_is_a_table_and_it_is_quiet() {
        let mounts = Mounts::watch();
        assert!(mounts.table.is_some());
        // Somebody else may be mounting something right now, but not all the time.
        let quiet = async {
            let moment = std::time::Duration::from_millis(200);
            while tokio::time::timeout(moment, mounts.changed()).await.is_ok() {}
        };
        tokio::time::timeout(std::time::Duration::from_secs(10), quiet).await.unwrap();
    }
}
