//! The daemon on a corrupt outbox: it moves it aside, says so, and delivers everything.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;

use rusqlite::Connection;

use crate::dice::Dice;
use crate::support::daemon::Daemon;
use crate::support::dashboard::{Dashboard, Fault, Rule};
use crate::support::fixtures;
use crate::{PATIENCE, config, holds, put};

const MOVED: &str = "the outbox was corrupt: it is moved aside and rebuilt from the files; what \
                     was delivered before is sent again, but for what was deleted at the dashboard";

#[test]
fn whatever_became_of_the_outbox_every_file_is_delivered() {
    let mut rebuilt = 0;
    for seed in 0..14 {
        let mut dice = Dice::new(seed);
        let dashboard = Dashboard::start();
        let config = config(&dashboard);
        let reports = fixtures::mixed_reports(9);
        put(&config, &reports[..5]);
        let daemon = Daemon::start_ready(&config);
        holds(&dashboard, &reports[..5]);
        // Some are still to be delivered when it happens.
        dashboard.inject(Rule::new(Fault::HoldThenRelease).reports());
        put(&config, &reports[5..7]);
        assert!(dashboard.wait_until(PATIENCE, |state| state.held() == 2));
        daemon.kill9();
        dashboard.clear_faults();

        let (outbox, log) = (config.outbox(), config.path().join("outbox.db-wal"));
        if seed % 2 == 0 {
            let connection = Connection::open(&outbox).unwrap();
            connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        }
        let victim = if fs::metadata(&log).is_ok_and(|log| log.len() > 0) { log } else { outbox };
        let len = fs::metadata(&victim).unwrap().len() as usize;
        let at = dice.below(len);
        let file = OpenOptions::new().write(true).open(&victim).unwrap();
        match dice.below(4) {
            0 => file.set_len(at as u64).unwrap(),
            1 => fs::write(&victim, dice.bytes(len)).unwrap(),
            2 => file.write_all_at(&[0; 4096], (at / 4096 * 4096) as u64).unwrap(),
            _ => file.write_all_at(&dice.bytes(500), at as u64).unwrap(),
        }
        put(&config, &reports[7..]);
        let daemon = Daemon::start(&config);
        daemon.wait_ready();
        holds(&dashboard, &reports);
        if let Some(line) = daemon.lines_saying(MOVED).first() {
            let to = std::path::Path::new(line["moved_to"].as_str().unwrap());
            assert!(to.join("outbox.db").exists(), "{line}");
            rebuilt += 1;
        }
        daemon.stop();
    }
    assert!(rebuilt >= 3, "only {rebuilt} were rebuilt");
}

#[test]
fn corruption_that_shows_in_use_ends_the_daemon_and_the_next_start_rebuilds() {
    let dashboard = Dashboard::start();
    let config = config(&dashboard);
    let reports = fixtures::mixed_reports(4);
    put(&config, &reports[..2]);
    let daemon = Daemon::start_ready(&config);
    holds(&dashboard, &reports[..2]);
    daemon.stop();
    // No page is damaged: only a value is one that nobody wrote.
    let connection = Connection::open(config.outbox()).unwrap();
    connection
        .execute_batch("UPDATE item SET want = x'00'; UPDATE delivery SET state = 1, known = NULL")
        .unwrap();
    drop(connection);

    let changed = fixtures::report_revised(fixtures::Shape::ALL[0], 0, 1);
    put(&config, std::slice::from_ref(&changed));
    let daemon = Daemon::start(&config);
    assert_eq!(daemon.wait_exit(PATIENCE).code(), Some(1));
    let error = daemon.lines_saying("stopped").pop().unwrap();
    assert!(error["error"].as_str().unwrap().contains("is corrupt"), "{error}");

    let daemon = Daemon::start_ready(&config);
    assert_eq!(daemon.lines_saying(MOVED).len(), 1);
    put(&config, &reports[2..]);
    holds(&dashboard, &[&[changed], &reports[1..]].concat());
    daemon.stop();
}
