//! What a reload may change while the daemon runs.

use std::net::SocketAddr;

use super::{Callback, Config, Endpoint};

impl Config {
    /// The configuration to go on with, and the keys whose change has to wait for a restart:
    /// everything that something was built upon at the start.
    pub fn reloaded(&self, fresh: Config) -> (Config, Vec<&'static str>) {
        let fixed = [
            ("watch.reports", self.watch.reports != fresh.watch.reports),
            ("watch.exports", self.watch.exports != fresh.watch.exports),
            ("watch.timezone", self.watch.timezone != fresh.watch.timezone),
            ("watch.first_run", self.watch.first_run != fresh.watch.first_run),
            ("outbox.path", self.outbox != fresh.outbox),
            ("outbox.allow_network", self.outbox_allow_network != fresh.outbox_allow_network),
            // Another dashboard holds other things than what is recorded of this one.
            ("ingest.url", moves(&self.ingest, &fresh.ingest)),
            ("legacy.url", moves(&self.legacy, &fresh.legacy)),
            ("ingest.ids", self.ids != fresh.ids),
            ("control", self.control != fresh.control),
            ("callback.listen", listens(self) != listens(&fresh)),
            ("log", self.log != fresh.log),
        ];
        let mut taken = fresh;
        taken.watch.reports.clone_from(&self.watch.reports);
        taken.watch.exports.clone_from(&self.watch.exports);
        taken.watch.timezone = self.watch.timezone.clone();
        taken.outbox.clone_from(&self.outbox);
        stay(&self.ingest, &mut taken.ingest);
        stay(&self.legacy, &mut taken.legacy);
        taken.ids = self.ids;
        taken.control = self.control.clone();
        taken.callback = match (&self.callback, taken.callback) {
            (Some(before), Some(after)) => Some(Callback { listen: before.listen, ..after }),
            (before, _) => before.clone(),
        };
        taken.log = self.log.clone();
        (taken, fixed.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect())
    }
}

/// Whether a target that is sent to before and after is another one after.
fn moves(before: &Option<Endpoint>, after: &Option<Endpoint>) -> bool {
    matches!((before, after), (Some(before), Some(after)) if before.url != after.url)
}

fn listens(config: &Config) -> Option<SocketAddr> {
    config.callback.as_ref().map(|callback| callback.listen)
}

fn stay(before: &Option<Endpoint>, after: &mut Option<Endpoint>) {
    if let (Some(before), Some(after)) = (before, after) {
        after.url = before.url.clone();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str, token: &str) -> Config {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ytv2d.toml");
        std::fs::write(&path, text).unwrap();
        let token = token.to_owned();
        let environment = move |name: &str| match name {
            "INGEST_TOKEN" => Some(token.clone()),
            "RENDER_API_URL" if !text.contains("url") => Some("http://127.0.0.1:1".to_owned()),
            _ => None,
        };
        Config::load(Some(&path), &environment).unwrap()
    }

    #[test]
    fn tempers_change_at_once_and_foundations_at_the_next_start() {
        let old = config("[ingest]\nurl = 'http://127.0.0.1:1'", "old");
        let fresh = config(
            "[ingest]\nurl = 'http://127.0.0.1:2'\nparallel = 9\n[watch]\nreports = 'other'\n\
             rescan = '1m'\n[retry]\nfirst = '3s'\n[log]\nfilter = 'debug'",
            "new",
        );
        let (taken, fixed) = old.reloaded(fresh.clone());
        assert_eq!(fixed, ["watch.reports", "ingest.url", "log"]);
        let endpoint = |config: &Config| config.ingest.clone().unwrap();
        assert_eq!(endpoint(&taken).secret.expose(), "new");
        assert_eq!(endpoint(&taken).parallel, 9);
        assert_eq!(taken.retry, fresh.retry);
        assert_eq!(taken.watch.rescan, fresh.watch.rescan);
        assert_eq!(taken.watch.reports, old.watch.reports);
        assert_eq!(endpoint(&taken).url, endpoint(&old).url);
        assert_eq!(taken.log, old.log);
        assert_eq!(old.reloaded(old.clone()), (old, Vec::new()));
    }

    #[test]
    fn the_secret_of_the_callbacks_changes_at_once_and_their_address_at_the_next_start() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("secret");
        let told = |secret: &str, listen: &str| {
            std::fs::write(&file, secret).unwrap();
            let text = format!(
                "[ingest]\nurl = 'http://127.0.0.1:1'\n[callback]\nlisten = '{listen}'\n\
                 [legacy]\nsecret_file = {file:?}"
            );
            config(&text, "t")
        };
        let (before, off) = (told("one", "127.0.0.1:1"), told("one", ""));
        for (fresh, secret, fixed) in [
            (told("two", "127.0.0.1:1"), "two", &[][..]),
            (told("two", "127.0.0.1:2"), "two", &["callback.listen"]),
            (off.clone(), "one", &["callback.listen"]),
        ] {
            let (taken, told) = before.reloaded(fresh);
            let callback = taken.callback.unwrap();
            assert_eq!((callback.secret.expose(), callback.listen.port()), (secret, 1));
            assert_eq!(told, fixed);
        }
        assert_eq!(off.reloaded(before).0.callback, None);
    }

    #[test]
    fn targets_come_and_go_at_once() {
        let alone = config("[ingest]\nurl = 'http://127.0.0.1:1'", "t");
        let mut both = alone.clone();
        both.legacy = both.ingest.clone();
        for (before, after) in [(&alone, &both), (&both, &alone)] {
            assert_eq!(before.reloaded(after.clone()), (after.clone(), Vec::new()));
        }
    }
}
