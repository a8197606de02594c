//! A daemon with nothing to do does nothing.

use std::os::unix::net::UnixDatagram;
use std::thread;
use std::time::Duration;

use crate::machine::{bytes_read, run, skipped, sleeps, wake_ups};
use crate::support::fixtures::{self, Shape, audio_name};
use crate::support::mp3::mp3;
use crate::support::stage::Stage;

const UNIT: &str = include_str!("../../systemd/ytv2d.service");

#[test]
fn a_quiet_daemon_wakes_less_than_once_a_second_and_reads_nothing() {
    let mut stage = Stage::new();
    // As under the unit: each part is looked after three times in the watchdog's patience, and a
    // third of it sees all that happens then.
    let patience =
        UNIT.lines().find_map(|line| line.strip_prefix("WatchdogSec=")?.strip_suffix('s'));
    let patience = Duration::from_secs(patience.unwrap().parse().unwrap());
    let period = patience / 3;
    let notify = stage.config.path().join("notify");
    let manager = UnixDatagram::bind(&notify).unwrap();
    thread::spawn(move || while manager.recv(&mut [0; 1024]).is_ok() {});
    for (name, value) in [
        ("NOTIFY_SOCKET", notify.to_str().unwrap().to_owned()),
        ("WATCHDOG_USEC", patience.as_micros().to_string()),
    ] {
        stage.config.env.push((name.to_owned(), value));
    }
    // What others mount at the same time is looked into, and is not what is asked here. Copies of
    // their mounts would go away with their directories, and be looked into as well.
    let alone = "grep -o '/tmp/[^ ]*' /proc/mounts | xargs -r -n 1 umount -l; exec \"$@\"";
    let wrapper = ["unshare", "--mount", "--propagation", "private", "sh", "-c", alone, "sh"];
    match run(&[&wrapper[..], &["true"]].concat()) {
        Ok(()) => stage.config.wrapper = wrapper.map(str::to_owned).to_vec(),
        Err(why) => skipped(&format!("(the namespace of its own) {why}")),
    }
    let daemon = stage.start();
    let report = fixtures::report(Shape::UniversalWeb, 1);
    stage.put(&report);
    stage.put_audio(&audio_name(report.bare_id(), 1), &mp3(1, 1));
    stage.holds_audio(&report.expected.id, &mp3(1, 1));
    stage.settle();
    let mut seen = Vec::new();
    // The last of what was done may still be under way at first.
    for _ in 0..2 {
        let before = (sleeps(daemon.pid()), bytes_read(daemon.pid()));
        thread::sleep(period);
        let woken = wake_ups(daemon.pid(), &before.0);
        let read = bytes_read(daemon.pid()) - before.1;
        if woken.iter().sum::<u64>() < period.as_secs() && read == 0 {
            daemon.stop();
            return;
        }
        seen.push((woken, read));
    }
    panic!("in {period:?}, twice: {seen:?} (wake-ups by thread, bytes read)");
}
