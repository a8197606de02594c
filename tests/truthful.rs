//! What the daemon says of deliveries is so, whatever the dashboard answers: each answer and each
//! fault has its verdict, an outage is not held against anybody, poison delays nobody, and of two
//! versions the later one stays.

#[path = "support/ingest.rs"]
mod ingest;
mod support;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use support::daemon::{Config, Daemon};
use support::dashboard::{Dashboard, Fault, Request, Rule, State};
use support::fixtures::{self, Report, Shape, write_in_place, write_renamed};
use support::mp3::mp3;
use support::proxy::{Deed, Proxy};

const LONG: Duration = Duration::from_secs(30);

/// Back-offs that suit a test. What the daemon does is the same.
const QUICK: &str = "[retry]\nfirst = '50ms'";

const PARKED: &str = "parked: not tried again until its file changes";
const STOPPED: &str = "the address is not that of an ingest endpoint; mend ingest.url and restart; \
                       nothing is lost meanwhile";

fn config(dashboard: &Dashboard) -> Config {
    Config::new(&dashboard.url(), &dashboard.token()).with_toml(QUICK)
}

/// The n-th report, and a later state of it.
fn report(n: usize) -> Report {
    fixtures::report(Shape::UniversalYoutube, n)
}

fn revised(n: usize, revision: u32) -> Report {
    fixtures::report_revised(Shape::UniversalYoutube, n, revision)
}

fn reports(numbers: std::ops::Range<usize>) -> Vec<Report> {
    numbers.map(report).collect()
}

fn put(config: &Config, report: &Report) {
    write_renamed(&config.report(&report.file_name), &report.bytes());
}

fn put_all(config: &Config, reports: &[Report]) {
    for report in reports {
        put(config, report);
    }
}

/// Whether the dashboard holds these texts of a report.
fn is_held(state: &State, report: &Report) -> bool {
    let Some(record) = state.record(&report.expected.id) else { return false };
    report.expected.variants.iter().all(|(name, text)| record.text(name) == Some(text))
}

fn wait_held(dashboard: &Dashboard, daemon: &Daemon, reports: &[Report]) {
    let all = dashboard.wait_until(LONG, |state| reports.iter().all(|one| is_held(state, one)));
    assert!(all, "not all arrived: {}", log_of(daemon));
}

/// The lines of the log with this message about this report.
fn said(daemon: &Daemon, message: &str, report: &Report) -> Vec<Value> {
    let mut lines = daemon.lines_saying(message);
    lines.retain(|line| line["id"] == report.expected.id.as_str());
    lines
}

fn wait_parked(daemon: &Daemon, report: &Report) -> String {
    let line = daemon.wait_for_line(LONG, |line| {
        line["message"] == PARKED && line["id"] == report.expected.id.as_str()
    });
    line["why"].as_str().expect("a reason").to_owned()
}

fn posts(state: &State) -> usize {
    state.requests().iter().filter(|request| request.method == "POST").count()
}

/// What it has said, but for the chatter of its connections.
fn log_of(daemon: &Daemon) -> String {
    let lines = daemon.lines();
    let told = lines.iter().filter(|line| line["level"] != "DEBUG");
    told.map(|line| format!("\n{line}")).collect()
}

/// Runs the cases beside each other: most of their time is waiting.
fn side_by_side<T: Sync>(cases: &[T], run: impl Fn(&T) + Sync) {
    thread::scope(|scope| {
        for case in cases {
            scope.spawn(|| run(case));
        }
    });
}

// Answers.

#[test]
fn a_success_without_proof_is_asked_again_then_parked_and_never_called_delivered() {
    let dashboard = Dashboard::start();
    let config = config(&dashboard);
    let (bad, good) = (reports(0..4), reports(4..8));
    let faults =
        [Fault::EmptyBody200, Fault::Html200, Fault::GarbageJson200, Fault::TruncatedAnswer];
    for (report, fault) in bad.iter().zip(&faults) {
        dashboard.inject(Rule::new(fault.clone()).reports().id(&report.expected.id));
    }
    let daemon = Daemon::start_ready(&config);
    put_all(&config, &bad);
    put_all(&config, &good);
    wait_held(&dashboard, &daemon, &good);
    for (report, fault) in bad.iter().zip(&faults) {
        let why = wait_parked(&daemon, report);
        assert!(why.starts_with("acknowledged without proof: 200"), "{why}");
        let asked = dashboard.reports_of(&report.expected.id).len();
        assert!((3..=8).contains(&asked), "{fault:?}: asked {asked} times");
        assert_eq!(dashboard.fired(fault.name()), asked);
        assert!(said(&daemon, "delivered", report).is_empty());
    }
    // A changed file is another matter.
    dashboard.clear_faults();
    let changed: Vec<Report> = (0..4).map(|n| revised(n, 1)).collect();
    put_all(&config, &changed);
    wait_held(&dashboard, &daemon, &changed);
    daemon.stop();
}

#[test]
fn a_captive_portal_parks_nothing_and_all_is_delivered_when_it_ends() {
    let dashboard = Dashboard::start();
    let config = config(&dashboard);
    let daemon = Daemon::start_ready(&config);
    put(&config, &report(0));
    wait_held(&dashboard, &daemon, &[report(0)]);

    dashboard.inject(Rule::new(Fault::Html200));
    let late = reports(1..9);
    put_all(&config, &late);
    // Until it has asked for health, and been answered with a page, a few times over.
    let looks = |state: &State| {
        state.requests().iter().filter(|r| r.method == "GET" && r.fault.is_some()).count()
    };
    assert!(dashboard.wait_until(LONG, |state| looks(state) >= 3), "{}", log_of(&daemon));
    assert_eq!(daemon.lines_saying("delivered").len(), 1);
    dashboard.clear_faults();
    wait_held(&dashboard, &daemon, &late);
    assert!(dashboard.fired("Html200") > 3, "no upload met the portal");
    assert!(daemon.lines_saying(PARKED).is_empty());
    daemon.stop();
}

#[test]
fn a_redirect_is_never_followed_and_the_way_back_is_found_after_a_reload() {
    side_by_side(&[301, 302, 303, 307, 308], |code| {
        let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
        let location = format!("http://{}/ingest/report", elsewhere.local_addr().unwrap());
        let dashboard = Dashboard::start();
        let config = config(&dashboard).with_toml("[ingest]\nparallel = 1");
        let moved = Fault::Redirect(*code, location.clone());
        dashboard.inject(Rule::new(moved).method("POST"));
        let daemon = Daemon::start_ready(&config);
        let few = reports(0..6);
        put_all(&config, &few);
        let line = daemon.wait_for_line(LONG, |line| line["message"] == STOPPED);
        let why = line["why"].as_str().unwrap();
        assert!(why.contains(&location) && why.contains(&code.to_string()), "{why}");

        dashboard.clear_faults();
        daemon.sighup();
        wait_held(&dashboard, &daemon, &few);
        assert_eq!(dashboard.fired("Redirect"), 1, "it was asked again before the reload");
        assert_eq!(daemon.lines_saying(STOPPED).len(), 1);
        elsewhere.set_nonblocking(true).unwrap();
        let came = elsewhere.accept().map(|_| "a connection");
        assert_eq!(came.unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
        daemon.stop();
    });
}

#[test]
fn what_the_server_will_never_take_is_parked_at_once_in_its_own_words() {
    let dashboard = Dashboard::start();
    let config = config(&dashboard);
    let codes = [400, 405, 411, 413, 415, 422];
    let refused = reports(0..codes.len());
    for (report, code) in refused.iter().zip(codes) {
        let words = format!(r#"{{"error":"title {code}: not text","hint":"mend it"}}"#);
        let fault = Fault::Status(code, Vec::new(), words);
        dashboard.inject(Rule::new(fault).reports().id(&report.expected.id));
    }
    let daemon = Daemon::start_ready(&config);
    put_all(&config, &refused);
    let sound = mp3(1, 1);
    put_audio(&config, &refused[0], &sound);
    for (report, code) in refused.iter().zip(codes) {
        let why = wait_parked(&daemon, report);
        assert_eq!(why, format!("{code}: title {code}: not text (mend it)"));
    }
    // A changed file unparks itself, and is asked about once more.
    let changed: Vec<Report> = (0..codes.len()).map(|n| revised(n, 1)).collect();
    put(&config, &changed[0]);
    let again = dashboard.wait_until(LONG, |state| state.fired("Status") == codes.len() + 1);
    assert!(again, "{}", log_of(&daemon));
    assert_eq!(dashboard.reports_of(&changed[0].expected.id).len(), 2);
    for report in &refused[1..] {
        assert_eq!(dashboard.reports_of(&report.expected.id).len(), 1);
    }
    dashboard.clear_faults();
    put_all(&config, &changed[1..]);
    put(&config, &revised(0, 2));
    wait_held(&dashboard, &daemon, &changed[1..]);
    wait_held(&dashboard, &daemon, &[revised(0, 2)]);
    // A parked report keeps its audio waiting, but not for ever.
    let heard = dashboard.wait_until(LONG, |state| is_heard(state, &refused[0], &sound));
    assert!(heard, "{}", log_of(&daemon));
    let requests = dashboard.requests();
    let first = |holds: fn(&Request) -> bool| {
        let of = |one: &&Request| one.video_id.as_ref() == Some(&refused[0].expected.id);
        requests.iter().filter(of).position(holds)
    };
    assert!(first(Request::is_audio) > first(|one| one.is_report() && one.status == Some(200)));
    daemon.stop();
}

#[test]
fn a_missing_route_stops_the_target_and_touches_no_item() {
    side_by_side(&[404, 410], |code| {
        let dashboard = Dashboard::start();
        let config = config(&dashboard);
        dashboard.inject(Rule::new(Fault::status(*code)).method("POST"));
        let daemon = Daemon::start_ready(&config);
        let some = reports(0..10);
        put_all(&config, &some);
        daemon.wait_for_line(LONG, |line| line["message"] == STOPPED);
        dashboard.clear_faults();
        daemon.sighup();
        wait_held(&dashboard, &daemon, &some);
        assert!((1..=4).contains(&dashboard.fired("Status")));
        assert!(daemon.lines_saying(PARKED).is_empty());
        assert!(daemon.lines_saying("not delivered").is_empty(), "an attempt was counted");
        daemon.stop();
    });
}

#[test]
fn a_refused_token_is_one_alarm_and_a_dozen_requests_and_a_new_one_delivers_all() {
    side_by_side(&[401, 403], |code| {
        let dashboard = Dashboard::start();
        let mut config = config(&dashboard);
        let token_file = config.path().join("token");
        fs::write(&token_file, "yesterdays").unwrap();
        if *code == 401 {
            config = config.with_toml(&format!("[ingest]\ntoken_file = {token_file:?}"));
            // The environment's token would come before the file's.
            config.wrapper = ["env", "-u", "INGEST_TOKEN"].map(str::to_owned).to_vec();
        } else {
            // As systemd hands it over, which comes before the environment's.
            let credentials = config.path().to_str().unwrap().to_owned();
            config = config.with_env("CREDENTIALS_DIRECTORY", &credentials);
            let stale = |request: &Request| request.header("x-ingest-token") != Some("todays");
            dashboard.inject(Rule::new(Fault::status(403)).method("POST").when(stale));
            dashboard.set_token("yesterdays");
        }
        dashboard.set_drains_rejected(true);
        let twenty = reports(0..20);
        put_all(&config, &twenty);
        let daemon = Daemon::start_ready(&config);
        let alarm = |line: &Value| line["message"].to_string().contains("authentication failed");
        daemon.wait_for_line(LONG, alarm);
        // Nothing more comes of it by itself; new items are no reason either.
        put_all(&config, &reports(20..22));
        let tried = |state: &State| posts(state) > 12;
        assert!(!dashboard.wait_until(Duration::from_secs(3), tried));

        dashboard.set_token("todays");
        fs::write(&token_file, "todays\n").unwrap();
        let so_far = dashboard.requests();
        let denied = so_far.iter().filter(|request| request.method == "POST").count();
        assert!((1..=12).contains(&denied), "{denied} requests");
        assert!(
            so_far.iter().all(|request| request.status != Some(200) || request.method != "POST")
        );
        daemon.sighup();
        wait_held(&dashboard, &daemon, &reports(0..22));
        assert_eq!(daemon.lines().iter().filter(|line| alarm(line)).count(), 1);
        assert!(daemon.lines_saying("not delivered").is_empty(), "an attempt was counted");
        daemon.stop();
    });
}

#[test]
fn a_wait_that_the_server_asks_for_is_kept() {
    // In seconds, and as a date that counts from the answer's own.
    let seconds = || "2".to_owned();
    let date = || httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(3));
    let cases: [(u16, fn() -> String); 6] =
        [(408, seconds), (425, seconds), (429, seconds), (503, seconds), (429, date), (503, date)];
    side_by_side(&cases, |(code, header)| {
        let dashboard = Dashboard::start();
        let config = config(&dashboard).with_toml("[ingest]\nparallel = 1");
        let (code, header) = (*code, *header);
        let mut asked = false;
        dashboard.script(move |request| {
            let first = request.is_report() && !asked;
            asked |= first;
            first.then(|| Fault::status_with(code, "Retry-After", &header()))
        });
        let daemon = Daemon::start_ready(&config);
        let some = reports(0..5);
        put_all(&config, &some);
        wait_held(&dashboard, &daemon, &some);
        assert_eq!(dashboard.fired("Status"), 1);
        let requests = dashboard.requests();
        let busy = requests.iter().find(|request| request.fault.is_some()).unwrap();
        let next = requests.iter().find(|request| request.seq > busy.seq).unwrap();
        let pause = next.started - busy.finished.unwrap();
        // The answer's date is whole seconds, so of three of them two at the least are left.
        assert!(pause >= Duration::from_secs(2), "{code}: only {pause:?}");
        assert!(pause < Duration::from_secs(6), "{code}: as much as {pause:?}");
        assert!(daemon.lines_saying("not delivered").is_empty(), "an attempt was counted");
        daemon.stop();
    });
}

// Faults of the way.

#[test]
fn whatever_breaks_on_the_way_is_delivered_later() {
    let dashboard = Dashboard::start();
    // Everything fails once, which is no outage: each is tried again in its own time.
    let config = config(&dashboard).with_toml(
        "[ingest]\nreport_timeout = '1s'\naudio_timeout = '1s'\n[breaker]\nfailures = 1000",
    );
    let daemon = Daemon::start_ready(&config);
    let faults = [
        Fault::status(500),
        Fault::poison(),
        Fault::status(502),
        Fault::status(503),
        Fault::status(504),
        Fault::ResetAfterHeaders,
        Fault::ResetAfterCommit,
        Fault::CloseAfterCommitWithoutAnswer,
        Fault::ShortAnswer,
        Fault::TruncatedAnswer,
        // Longer than is waited for, and not.
        Fault::SlowAnswer(Duration::from_millis(20)),
        Fault::SlowAnswer(Duration::from_millis(1)),
        Fault::StallForever,
        Fault::DelayMillis(100),
    ];
    let all = reports(0..faults.len());
    for (report, fault) in all.iter().zip(&faults) {
        for rule in [Rule::new(fault.clone()).reports(), Rule::new(fault.clone()).audio()] {
            dashboard.inject(rule.id(&report.expected.id).once().named("on the way"));
        }
    }
    let sound = |n: usize| mp3(1, n as u64);
    for (n, report) in all.iter().enumerate() {
        put(&config, report);
        let name = fixtures::audio_name(report.bare_id(), n);
        write_in_place(&config.export(&name), &sound(n));
    }
    wait_held(&dashboard, &daemon, &all);
    let heard = dashboard.wait_until(LONG, |state| {
        all.iter().enumerate().all(|(n, report)| {
            let audio = state.audio(&report.expected.id);
            audio.is_some_and(|audio| audio.hash == blake3::hash(&sound(n)))
                && state.record(&report.expected.id).is_some_and(|record| record.has_audio)
        })
    });
    assert!(heard, "{}", log_of(&daemon));
    // What was stored before its answer was lost has come again, and is there once.
    for (report, fault) in all.iter().zip(&faults) {
        let delivered = |line: &Value| {
            line["message"] == "delivered"
                && line["id"] == report.expected.id.as_str()
                && line["kind"] == "audio"
        };
        daemon.wait_for_line(LONG, delivered);
        let sent = dashboard.reports_of(&report.expected.id);
        let stored = sent.iter().filter(|request| request.stored.is_some()).count();
        let lost = matches!(
            fault,
            Fault::ResetAfterCommit
                | Fault::CloseAfterCommitWithoutAnswer
                | Fault::ShortAnswer
                | Fault::TruncatedAnswer
        );
        assert!(if lost { stored >= 2 } else { stored >= 1 }, "{fault:?}: {sent:#?}");
    }
    assert_eq!(dashboard.records().len(), all.len());
    assert_eq!(dashboard.fired("on the way"), 2 * faults.len());
    // Before anything is read, a reset concerns whoever comes next.
    dashboard.inject(Rule::new(Fault::ResetBeforeRead).once());
    put(&config, &report(20));
    wait_held(&dashboard, &daemon, &[report(20)]);
    assert_eq!(dashboard.fired("ResetBeforeRead"), 1);
    assert!(daemon.lines_saying(PARKED).is_empty());
    daemon.stop();
}

/// Answers uploads with these bytes, the last part of them until the client has had enough; the
/// health checks well. It lives as long as the test.
fn babbler(once: &'static [u8], for_ever: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serve = move |mut stream: TcpStream| {
        let mut head = [0; 4];
        stream.read_exact(&mut head)?;
        if &head == b"GET " {
            let _rest = stream.read(&mut [0; 4096])?;
            let body = r#"{"status":"ok","token_set":true,"pg_dsn_set":true}"#;
            return write!(stream, "HTTP/1.0 200 OK\r\n\r\n{body}");
        }
        // What comes is read beside this, so that its end is not a reset.
        let mut reader = stream.try_clone()?;
        thread::spawn(move || std::io::copy(&mut reader, &mut std::io::sink()));
        stream.write_all(once)?;
        while !for_ever.is_empty() {
            stream.write_all(for_ever)?;
        }
        stream.shutdown(std::net::Shutdown::Write)
    };
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client that leaves early is what is wanted.
            thread::spawn(move || serve(stream).ok());
        }
    });
    url
}

#[test]
fn babble_is_no_proof_and_does_no_harm() {
    const PROOF: &[u8] = b"{\"upserted\":1,\"summaries_upserted\":1}";
    let cut_chunk =
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n28\r\n", PROOF].concat();
    let many = format!("HTTP/1.0 200 OK\r\n{}\r\n", "X-Header: x\r\n".repeat(1000));
    let many = [many.as_bytes(), PROOF].concat();
    let cases: [(&'static [u8], &'static [u8]); 7] = [
        (b"\0\xff\xfe garbage\r\n\r\n", b""),
        (b"HTTP/9.7 200 OK\r\n\r\n", b""),
        (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
        (cut_chunk.leak(), b""),
        (many.leak(), b""),
        (b"HTTP/1.0 200 OK\r\n\r\n{\"upserted\":1,", &[b' '; 4096]),
        (b"HTTP/1.0 200 OK\r\nX-Endless: ", &[b'x'; 4096]),
    ];
    side_by_side(&cases, |(once, for_ever)| {
        let config = Config::new(&babbler(once, for_ever), "secret")
            .with_toml(QUICK)
            .with_toml("[ingest]\nreport_timeout = '1s'");
        let daemon = Daemon::start_ready(&config);
        put_all(&config, &reports(0..3));
        let case = String::from_utf8_lossy(&once[..once.len().min(30)]);
        for _ in 0..2 {
            let mark = daemon.mark();
            daemon.wait_for_line_after(mark, LONG, |line| line["message"] == "not delivered");
        }
        assert!(daemon.lines_saying("delivered").is_empty(), "{case:?}");
        let status = fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        let kib: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
        assert!(kib < 96 << 10, "{case:?}: it grew to {kib} KiB");
        daemon.stop();
    });
}

#[test]
fn the_log_says_which_part_of_the_way_is_broken() {
    // Its port is held, and nobody listens.
    let refusing = Dashboard::start();
    refusing.refuse(true);
    let plain = Dashboard::start();
    let cases = [
        (refusing.url(), "the connection was refused"),
        ("https://no-such-host.invalid".to_owned(), "the name cannot be looked up"),
        (format!("https://{}", plain.address()), "the secure connection failed"),
    ];
    side_by_side(&cases, |(url, expected)| {
        let config = Config::new(url, "secret-of-the-house").with_toml(QUICK);
        let daemon = Daemon::start_ready(&config);
        put(&config, &report(0));
        let line = daemon.wait_for_line(LONG, |line| {
            line["level"] == "WARN"
                && line["why"].as_str().is_some_and(|why| why.contains(expected))
        });
        assert!(!line.to_string().contains("secret-of-the-house"));
        assert!(daemon.lines_saying("delivered").is_empty());
        daemon.stop();
    });
    assert!(plain.requests().iter().all(|request| request.method != "POST"));
}

#[test]
fn the_environments_proxies_are_ignored() {
    let dashboard = Dashboard::start();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = format!("http://{}", listener.local_addr().unwrap());
    let mut config = config(&dashboard);
    for name in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"]
    {
        config = config.with_env(name, &proxy);
    }
    let daemon = Daemon::start_ready(&config);
    put(&config, &report(0));
    wait_held(&dashboard, &daemon, &[report(0)]);
    listener.set_nonblocking(true).unwrap();
    assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    daemon.stop();
}

// Outage or poison.

#[test]
fn poison_among_good_reports_is_parked_and_delays_none() {
    let dashboard = Dashboard::start();
    let config = config(&dashboard);
    let (poison, good) = (report(0), reports(1..31));
    dashboard.inject(Rule::new(Fault::poison()).reports().id(&poison.expected.id));
    // At the head of a full queue.
    put(&config, &poison);
    put_all(&config, &good);
    let daemon = Daemon::start_ready(&config);
    let why = wait_parked(&daemon, &poison);
    assert_eq!(why, "500: upsert_returned_false", "its last answer is kept");
    wait_held(&dashboard, &daemon, &good);
    for report in &good {
        let sent = dashboard.reports_of(&report.expected.id);
        assert_eq!(sent.len(), 1, "{}", report.file_name);
    }
    let tries = dashboard.reports_of(&poison.expected.id).len();
    assert!((8..=10).contains(&tries), "{tries} tries");
    assert_eq!(dashboard.fired("Status"), tries);
    for line in daemon.lines_saying("delivered") {
        assert!(line["since_change_ms"].as_i64().unwrap() < 5000, "{line}");
    }
    daemon.stop();
}

#[test]
fn twelve_seconds_of_outage_cost_sixty_requests_and_park_nothing() {
    const OUTAGE: Duration = Duration::from_secs(12);
    let strace = std::process::Command::new("strace").arg("-V").output().is_ok();
    if !strace {
        println!("no strace: attempts at refused connections are not counted");
    }
    side_by_side(&["refused", "only 500"], |flavour| {
        let dashboard = Dashboard::start();
        // As it is shipped, but for the quiet of audio.
        let mut config = Config::new(&dashboard.url(), &dashboard.token());
        let trace = config.path().join("connects");
        let refused = *flavour == "refused";
        if refused && strace {
            let words = ["strace", "-f", "--seccomp-bpf", "-qq", "-e", "trace=connect", "-o"];
            config.wrapper = words.map(str::to_owned).to_vec();
            config.wrapper.push(trace.to_str().unwrap().to_owned());
        }
        let port = format!("htons({})", dashboard.address().port());
        let connects = || {
            let trace = fs::read_to_string(&trace).unwrap_or_default();
            trace.lines().filter(|line| line.contains(&port)).count()
        };
        let daemon = Daemon::start_ready(&config);
        put(&config, &report(0));
        wait_held(&dashboard, &daemon, &[report(0)]);

        let (before, connected) = (dashboard.requests().len(), connects());
        if refused {
            dashboard.refuse(true);
        } else {
            dashboard.inject(Rule::new(Fault::status(500)).method("POST"));
        }
        let twelve = reports(1..13);
        put_all(&config, &twelve);
        thread::sleep(OUTAGE);
        let attempts =
            if refused { connects() - connected } else { dashboard.requests().len() - before };
        if refused {
            assert!(!strace || (6..=60).contains(&attempts), "{attempts} attempts");
            dashboard.refuse(false);
        } else {
            assert!((6..=60).contains(&attempts), "{attempts} attempts");
            dashboard.clear_faults();
        }
        println!("{flavour}: {attempts} requests in the outage");
        wait_held(&dashboard, &daemon, &twelve);
        assert!(daemon.lines_saying(PARKED).is_empty());
        if !refused {
            daemon.stop();
        }
    });
}

#[test]
fn a_cold_start_is_waited_for_and_is_no_failure() {
    let dashboard = Dashboard::start();
    let config = config(&dashboard);
    dashboard.inject(Rule::new(Fault::DelayMillis(5000)).method("GET").once());
    let some = reports(0..5);
    put_all(&config, &some);
    let daemon = Daemon::start_ready(&config);
    wait_held(&dashboard, &daemon, &some);
    assert_eq!(dashboard.fired("DelayMillis"), 1);
    let requests = dashboard.requests();
    let awake = requests[0].finished.unwrap();
    assert!(awake - requests[0].started >= Duration::from_secs(5));
    assert!(requests[1..].iter().all(|request| request.started >= awake));
    let complaints: Vec<Value> = daemon
        .lines()
        .into_iter()
        .filter(|line| line["level"] == "WARN" || line["level"] == "ERROR")
        .collect();
    assert!(complaints.is_empty(), "{complaints:#?}");
    daemon.stop();
}

// Versions.

fn put_audio(config: &Config, report: &Report, bytes: &[u8]) {
    let path = config.export(&fixtures::audio_name(report.bare_id(), 0));
    write_in_place(&path, bytes);
}

fn is_heard(state: &State, report: &Report, bytes: &[u8]) -> bool {
    let (id, hash) = (&report.expected.id, blake3::hash(bytes));
    state.audio(id).is_some_and(|audio| audio.hash == hash)
        && state.record(id).is_some_and(|record| record.has_audio && record.audio_url().is_some())
}

#[test]
fn an_update_after_audio_lands_its_text_and_keeps_the_audio() {
    let dashboard = Dashboard::start();
    let config = config(&dashboard);
    let daemon = Daemon::start_ready(&config);
    let (old, new, sound) = (report(0), revised(0, 1), mp3(1, 0));
    put(&config, &old);
    put_audio(&config, &old, &sound);
    assert!(dashboard.wait_until(LONG, |state| is_heard(state, &old, &sound)));
    let url = dashboard.record(&old.expected.id).unwrap().audio_url().unwrap().to_owned();
    put(&config, &new);
    wait_held(&dashboard, &daemon, std::slice::from_ref(&new));
    let record = dashboard.record(&new.expected.id).unwrap();
    assert!(record.has_audio);
    assert_eq!(record.audio_url(), Some(url.as_str()));
    assert_eq!(dashboard.audios_of(&new.expected.id).len(), 1, "the audio went once");
    daemon.stop();
}

/// How a file may come to have other contents.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Change {
    Older,
    HardLink,
    Rename,
    SameSizeSameTime,
}

impl Change {
    const ALL: [Change; 4] =
        [Change::Older, Change::HardLink, Change::Rename, Change::SameSizeSameTime];

    fn apply(self, path: &Path, bytes: &[u8]) {
        let other = path.with_file_name(".other");
        let known = fs::metadata(path).unwrap();
        match self {
            Change::Older => {
                fs::write(&other, bytes).unwrap();
                let year = Duration::from_secs(365 * 86_400);
                let old = known.modified().unwrap() - year;
                File::options().write(true).open(&other).unwrap().set_modified(old).unwrap();
                fs::rename(&other, path).unwrap();
            }
            Change::HardLink => {
                // `ln -f`: a second name of another file takes the place of the first file.
                let kept = path.with_file_name(".kept");
                fs::write(&kept, bytes).unwrap();
                fs::hard_link(&kept, &other).unwrap();
                fs::rename(&other, path).unwrap();
            }
            Change::Rename => {
                fs::write(&other, bytes).unwrap();
                fs::rename(&other, path).unwrap();
            }
            Change::SameSizeSameTime => {
                assert_eq!(known.len(), bytes.len() as u64);
                let mut file = File::options().write(true).open(path).unwrap();
                file.write_all(bytes).unwrap();
                file.set_modified(known.modified().unwrap()).unwrap();
                drop(file);
                assert_eq!(
                    fs::metadata(path).unwrap().modified().unwrap(),
                    known.modified().unwrap()
                );
            }
        }
    }
}

#[test]
fn a_file_that_was_replaced_in_any_way_is_delivered() {
    side_by_side(&Change::ALL, |change| {
        let dashboard = Dashboard::start();
        let config = config(&dashboard);
        let daemon = Daemon::start_ready(&config);
        // Another text of the same length, in the same minute.
        let first = report(1);
        let second = {
            let text = serde_json::to_string(&first.json).unwrap();
            let text = text.replace("This is its", "That is its");
            let mut second = first.clone();
            second.json = serde_json::from_str(&text).unwrap();
            for text in second.expected.variants.values_mut() {
                *text = text.replace("This is its", "That is its");
            }
            second
        };
        assert!(first.expected.variants != second.expected.variants);
        let (sound, other) = (mp3(1, 1), mp3(1, 2));
        put(&config, &first);
        put_audio(&config, &first, &sound);
        assert!(dashboard.wait_until(LONG, |state| is_heard(state, &first, &sound)));
        change.apply(&config.report(&first.file_name), &second.bytes());
        let audio = config.export(&fixtures::audio_name(first.bare_id(), 0));
        change.apply(&audio, &other);
        wait_held(&dashboard, &daemon, std::slice::from_ref(&second));
        let heard = dashboard.wait_until(LONG, |state| is_heard(state, &second, &other));
        assert!(heard, "{change:?}: {}", log_of(&daemon));
        daemon.stop();
    });
}

#[test]
fn a_file_that_changes_during_its_upload_never_arrives_torn() {
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Meanwhile {
        Removed,
        Grows,
        Rewritten,
        Replaced,
        Truncated,
    }
    use Meanwhile::*;
    side_by_side(&[Removed, Grows, Rewritten, Replaced, Truncated], |meanwhile| {
        let dashboard = Dashboard::start();
        let proxy = Proxy::start(dashboard.address());
        proxy.gate(Some(100_000));
        let mut config = Config::new(&proxy.url(), &dashboard.token()).with_toml(QUICK);
        config.log_filter = "info".to_owned();
        let daemon = Daemon::start_ready(&config);
        // More than the sockets on the way have room for, and different all the way.
        let episode = |seed: u64| -> Vec<u8> {
            (0..15).flat_map(|piece| mp3(100, 100 * seed + piece)).collect()
        };
        let (first, last) = (episode(1), episode(2));
        let one = report(0);
        let path = config.export(&fixtures::audio_name(one.bare_id(), 0));
        put(&config, &one);
        write_renamed(&path, &first);
        assert!(proxy.wait_for_gate(LONG), "{}", log_of(&daemon));
        let expected = match meanwhile {
            Removed => {
                fs::remove_file(&path).unwrap();
                first.clone()
            }
            Grows => {
                let grown = [first.clone(), mp3(1, 3)].concat();
                let mut file = File::options().append(true).open(&path).unwrap();
                file.write_all(&grown[first.len()..]).unwrap();
                grown
            }
            Rewritten => {
                let mut file = File::options().write(true).open(&path).unwrap();
                file.write_all(&last).unwrap();
                last.clone()
            }
            Replaced => {
                write_renamed(&path, &last);
                last.clone()
            }
            Truncated => {
                let mut file = File::options().write(true).open(&path).unwrap();
                file.set_len(100).unwrap();
                file.seek(SeekFrom::Start(0)).unwrap();
                let short = mp3(2, 4);
                file.write_all(&short).unwrap();
                short
            }
        };
        proxy.gate(None);
        proxy.release();
        if *meanwhile == Removed {
            // Either it went whole all the same, or it ended without harm to anybody.
            put(&config, &report(1));
            wait_held(&dashboard, &daemon, &[report(1)]);
        } else {
            let heard = dashboard.wait_until(LONG, |state| is_heard(state, &one, &expected));
            assert!(heard, "{meanwhile:?}: {}", log_of(&daemon));
        }
        // Every body that the dashboard took was a file as it once stood complete on the disk.
        let whole: BTreeSet<String> =
            [&first, &expected].map(|bytes| blake3::hash(bytes).to_string()).into();
        let taken: Vec<Request> =
            dashboard.requests().into_iter().filter(|request| request.audio.is_some()).collect();
        for request in &taken {
            let hash = request.audio.unwrap().to_string();
            assert!(whole.contains(&hash), "{meanwhile:?}: a torn body of {}", request.body_len);
        }
        daemon.stop();
    });
}

#[test]
fn of_two_versions_the_later_stays_however_late_the_other_lands() {
    const REPORTS: usize = 200;
    const AUDIO: usize = 20;
    let home = ingest::Home::new();
    // All of them are let go at once.
    let server = ingest::Server::start_with(&home, &["--connections", "512"]);
    let proxy = Proxy::start(server.address);
    // The first request for each is a zombie.
    let mut seen = BTreeSet::new();
    proxy.decide(move |passage| {
        let first =
            passage.method == "POST" && seen.insert((passage.path.clone(), passage.id.clone()));
        if first { Deed::Hold } else { Deed::Pass }
    });
    let mut config = Config::new(&proxy.url(), ingest::TOKEN).with_toml(
        "[retry]\nfirst = '50ms'\nmax = '500ms'\n[breaker]\nfailures = 100000\n\
         [ingest]\nparallel = 64\nreport_timeout = '500ms'\naudio_timeout = '500ms'",
    );
    config.log_filter = "warn".to_owned();
    let firsts = reports(0..REPORTS);
    let lasts: Vec<Report> = (0..REPORTS).map(|n| revised(n, 1)).collect();
    let (sound, other) = (mp3(1, 1), mp3(1, 2));
    put_all(&config, &firsts);
    for report in &firsts[..AUDIO] {
        put_audio(&config, report, &sound);
    }
    let daemon = Daemon::start(&config);

    // The second version is written as soon as the first is held.
    let mut replaced = BTreeSet::new();
    let all_replaced = proxy.wait_until(LONG, |passages| {
        for passage in passages.iter().filter(|passage| passage.held) {
            let place = (passage.is_audio(), passage.id.clone());
            if !replaced.insert(place) {
                continue;
            }
            let at = firsts
                .iter()
                .position(|report| Some(&report.expected.id) == passage.id.as_ref())
                .unwrap();
            if passage.is_audio() {
                put_audio(&config, &firsts[at], &other);
            } else {
                put(&config, &lasts[at]);
            }
        }
        replaced.len() == REPORTS + AUDIO
    });
    assert!(all_replaced, "{} were held: {}", replaced.len(), log_of(&daemon));
    wait_level(&server, &lasts, AUDIO, &other);
    assert!(proxy.passages().iter().all(|passage| !passage.held || passage.status.is_none()));

    proxy.release();
    let landed = proxy.wait_until(LONG, |passages| {
        passages.iter().filter(|p| p.held && p.status.is_some()).count() == REPORTS + AUDIO
    });
    assert!(landed, "not every zombie was let go");
    for zombie in proxy.passages().iter().filter(|passage| passage.held) {
        assert_eq!(zombie.status, Some(200), "{zombie:?}");
        assert_eq!(zombie.json()["action"], "superseded", "{zombie:?}");
    }
    wait_level(&server, &lasts, AUDIO, &other);
    println!("{} zombies landed, all of them superseded", REPORTS + AUDIO);
    daemon.stop();
}

/// Waits until the real ingest side holds these reports, and this sound for the first few.
fn wait_level(server: &ingest::Server, reports: &[Report], audio: usize, sound: &[u8]) {
    for (n, report) in reports.iter().enumerate() {
        let id = &report.expected.id;
        ingest::until(&format!("{id} is level"), || {
            let record = server.get(&format!("/{id}.json"));
            let texts = record.json_or_null()["summary_variants"].clone();
            let texts = texts.as_array().cloned().unwrap_or_default();
            let held = report.expected.variants.iter().all(|(name, text)| {
                texts
                    .iter()
                    .any(|held| held["variant"] == json!(name) && held["text"] == json!(text))
            });
            let name = id.replace(':', "");
            let heard =
                n >= audio || server.get(&format!("/exports/audio/{name}.mp3")).body == sound;
            held && heard
        });
    }
}
