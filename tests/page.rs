//! The page at `/`, in a real browser, with the real daemon behind the server that it comes from.
//!
//! Screenshots are kept in `target/tmp`. Without Chromium these tests say aloud that they were
//! skipped.

#[path = "support/mod.rs"]
mod support;

#[path = "support/ingest.rs"]
mod ingest;

#[path = "support/browser.rs"]
mod browser;

use std::io::Write;
use std::time::Instant;

use browser::{Browser, Screen};
use ingest::{Home, SECRET, Server, TOKEN};
use serde_json::{Value, json};
use support::daemon::{Config, Daemon};
use support::fixtures::write_in_place;
use support::mp3::{mp3, whole_seconds};

fn open(screen: Screen, what: &str) -> Option<Browser> {
    match Browser::open(screen) {
        Ok(browser) => Some(browser),
        Err(why) => {
            // Past the harness, which keeps what passing tests print to itself.
            let _ = writeln!(std::io::stderr(), "skipped: {what}: {why}");
            None
        }
    }
}

fn payload(id: &str, title: &str, text: &str) -> Value {
    json!({
        "video_id": id,
        "title": title,
        "channel_name": "Sea Lab",
        "canonical_url": "https://www.youtube.com/watch?v=aB-3_xY9zQk",
        "thumbnail_url": "https://i.ytimg.com/vi/aB-3_xY9zQk/hqdefault.jpg",
        "indexed_at": "2025-10-20T09:15:00Z",
        "duration_seconds": 727,
        "summary_variants": [{"variant": "comprehensive", "text": text, "html": "<p>t</p>"}],
    })
}

/// The titles on the page, from top to bottom.
const TITLES: &str = "return [...document.querySelectorAll('#cards .title')].map(t => t.innerText)";

fn titles(browser: &Browser) -> Value {
    browser.run(TITLES)
}

fn wait_for_titles(browser: &Browser, titles: &[&str]) {
    let wanted = json!(titles).to_string();
    browser.wait(&format!(
        "{{ {} }}",
        TITLES.replace("return ", "const found = ")
            + &format!("; return JSON.stringify(found) === JSON.stringify({wanted})")
    ));
}

#[test]
fn a_report_appears_on_an_open_page_as_soon_as_the_daemon_has_brought_it() {
    let Some(browser) = open(Screen::Desk, "the page with live arrival") else { return };
    let home = Home::new();
    let server = Server::start(&home);
    let config = Config::new(&server.url(), TOKEN);
    let daemon = Daemon::start_ready(&config);
    browser.go(&server.url());
    browser.wait("return document.querySelector('#live').innerText === 'live'");
    browser.wait("return document.querySelector('#nothing').innerText.startsWith('Nothing yet')");
    browser.run("window.same = true");

    let mut samples: Vec<_> = std::fs::read_dir("src/samples")
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "json"))
        .collect();
    samples.sort();
    for sample in &samples {
        let name = sample.file_name().unwrap().to_str().unwrap();
        write_in_place(&config.report(name), &std::fs::read(sample).unwrap());
    }
    // Two of the files are about one id.
    browser.wait("return document.querySelectorAll('#cards .card').length === 8");

    let closed = Instant::now();
    let report = json!({
        "video_id": "aB-3_xY9zQk", "title": "How tides work", "channel_name": "Sea Lab",
        "indexed_at": jiff::Timestamp::now().to_string(), "duration_seconds": 727,
        "summary_variants": [{"variant": "comprehensive", "text": "The moon pulls.\n\n• first\n• second"}],
    });
    write_in_place(&config.report("tides_aB-3_xY9zQk.json"), report.to_string().as_bytes());
    browser.wait("return document.querySelector('.card .title')?.innerText === 'How tides work'");
    let shown = closed.elapsed().as_millis();
    let _ = writeln!(std::io::stderr(), "shown {shown} ms after its file's close");

    let first = |part: &str| {
        browser.run(&format!("return document.querySelector('.card {part}').innerText"))
    };
    assert_eq!(first(".channel"), "Sea Lab");
    assert_eq!(first(".length"), "12:07");
    assert_eq!(first(".initial"), "S");
    assert_eq!(first(".summary"), "The moon pulls.\n\n• first\n• second");
    assert_eq!(browser.run("return document.querySelector('.card .sound').hidden"), true);
    assert_eq!(browser.run("return document.querySelector('#count').innerText"), "9 reports");

    let sound = mp3(61, 1);
    write_in_place(&config.export("audio_aB-3_xY9zQk_20250901_133809.mp3"), &sound);
    browser.wait("return document.querySelector('.card audio') !== null");
    browser.run("document.querySelector('.card audio').preload = 'metadata'");
    let length = browser.wait("return document.querySelector('.card audio').duration || null");
    assert_eq!(length.as_f64().unwrap().round() as u64, whole_seconds(61));
    browser.screenshot("page-desk");

    // What changes on the disk changes on the page, in its place.
    let mut renamed = report.clone();
    renamed["title"] = json!("How tides really work");
    write_in_place(&config.report("tides_aB-3_xY9zQk.json"), renamed.to_string().as_bytes());
    browser.wait(
        "return document.querySelector('.card .title').innerText === 'How tides really work'",
    );

    let bearer = format!("Bearer {SECRET}");
    let reply =
        server.send("DELETE", "/api/delete/aB-3_xY9zQk", &[("authorization", &bearer)], b"");
    reply.expect(200);
    browser.wait("return document.querySelectorAll('#cards .card').length === 8");
    // All of it without loading the page anew.
    assert_eq!(browser.run("return window.same === true"), true);
    daemon.stop();
}

#[test]
fn the_search_box_finds_and_its_address_can_be_shared() {
    let Some(browser) = open(Screen::Desk, "the page's search") else { return };
    let home = Home::new();
    let server = Server::start(&home);
    for n in 0..25 {
        server
            .report(&payload(&format!("id{n:02}"), &format!("Number {n:02}"), "Plain."))
            .expect(200);
    }
    server.report(&payload("moon", "About the sea", "The moon pulls.")).expect(200);
    server.audio("id07", &mp3(1, 1)).expect(200);

    browser.go(&server.url());
    browser.wait("return document.querySelector('#count').innerText === '26 reports'");
    assert_eq!(titles(&browser).as_array().unwrap().len(), 20);
    browser.click("#more");
    browser.wait("return document.querySelectorAll('#cards .card').length === 26");
    assert_eq!(browser.run("return document.querySelector('#more').hidden"), true);

    browser.type_into("#q", "MOON sea");
    wait_for_titles(&browser, &["About the sea"]);
    assert_eq!(browser.run("return document.querySelector('#count').innerText"), "1 report");
    let address = browser.run("return location.search");
    assert_eq!(address, "?q=MOON+sea");
    // What arrives meanwhile comes in only if it matches.
    server.report(&payload("x", "Nothing of the kind", "Plain.")).expect(200);
    server.report(&payload("y", "The sea again", "A moon.")).expect(200);
    wait_for_titles(&browser, &["The sea again", "About the sea"]);

    browser.type_into("#q", "xyz");
    browser.wait("return document.querySelector('#nothing').innerText === 'Nothing matches.'");
    assert_eq!(titles(&browser), json!([]));

    browser.go(&format!("{}/?q=number&audio=1", server.url()));
    wait_for_titles(&browser, &["Number 07"]);
    browser.click(".chip");
    browser.wait("return document.querySelector('#count').innerText === '25 reports'");
}

#[test]
fn nothing_that_a_report_says_is_run_or_loaded() {
    let Some(browser) = open(Screen::Desk, "the page with a hostile report") else { return };
    let home = Home::new();
    let server = Server::start(&home);
    let config = Config::new(&server.url(), TOKEN);
    let daemon = Daemon::start_ready(&config);
    let run = "document.documentElement.dataset.run=1";
    let title = format!("<img src=x onerror={run}>");
    let text = format!("</p><script>{run}</script><svg onload={run}>&lt;b&gt;");
    let hostile = json!({
        "video_id": "aB-3_xY9zQk",
        "title": title,
        "channel_name": format!("<script>{run}</script>"),
        "canonical_url": format!("javascript:{run}"),
        "thumbnail_url": format!("https://127.0.0.1:9/x.png\" onerror=\"{run}"),
        "analysis_json": {"summary_image_url": "https://127.0.0.1:9/y.png"},
        "indexed_at": "2025-10-20T09:15:00Z",
        "summary_variants": [{"variant": "comprehensive", "text": text, "html": text}],
    });
    browser.go(&server.url());
    browser.wait("return document.querySelector('#live').innerText === 'live'");
    write_in_place(&config.report("x_aB-3_xY9zQk.json"), hostile.to_string().as_bytes());
    wait_for_titles(&browser, &[&title]);
    // And what the daemon would never send: an id, audio elsewhere, and a source that lies.
    let mut direct = hostile.clone();
    direct["video_id"] = json!(format!("\"><img src=x onerror={run}>"));
    direct["title"] = json!("direct");
    direct["media"] = json!({"has_audio": true, "audio_url": format!("javascript:{run}")});
    server.report(&direct).expect(200);
    direct["video_id"] = json!("elsewhere");
    direct["title"] = json!("elsewhere");
    direct["media"] = json!({"has_audio": true, "audio_url": "https://127.0.0.1:9/z.mp3"});
    server.report(&direct).expect(200);
    browser.wait("return document.querySelectorAll('#cards .card').length === 3");

    let card = |part: &str| {
        let found = format!(
            "[...document.querySelectorAll('.card')].find(c => c.dataset.id === 'aB-3_xY9zQk').querySelector('{part}').innerText"
        );
        browser.run(&format!("return {found}"))
    };
    assert_eq!(card(".title"), title);
    assert_eq!(card(".channel"), format!("<script>{run}</script>"));
    assert_eq!(card(".summary"), text);
    let elements = "#cards img, #cards script, #cards svg, #cards audio, #cards iframe, #cards b";
    assert_eq!(browser.run(&format!("return document.querySelectorAll('{elements}').length")), 0);
    let links = browser.run("return [...document.querySelectorAll('#cards a')].map(a => a.href)");
    assert_eq!(links, json!(["https://127.0.0.1:9/z.mp3"]));

    // Should a hole ever open, the policy is behind it: markup from text and scripts from text are
    // refused, and nothing is fetched from another place.
    browser.run(&format!(
        "window.refused = []; \
         document.addEventListener('securitypolicyviolation', e => refused.push(e.effectiveDirective)); \
         const attempts = {{ \
           html: () => document.body.insertAdjacentHTML('beforeend', '<img src=x onerror={run}>'), \
           handler: () => document.body.setAttribute('onclick', '{run}'), \
           script: () => {{ document.createElement('script').textContent = '{run}' }}, \
         }}; \
         for (const name in attempts) try {{ attempts[name]() }} catch {{ refused.push(name) }} \
         new Image().src = 'https://127.0.0.1:9/policy.png'"
    ));
    for refused in ["html", "handler", "script", "img-src"] {
        browser.wait(&format!("return refused.includes('{refused}')"));
    }
    assert_eq!(browser.run("return document.documentElement.dataset.run ?? null"), Value::Null);
    let loaded = browser.run(
        "return performance.getEntriesByType('resource').map(e => e.name) \
         .filter(n => !n.startsWith(location.origin) && !n.includes('/policy'))",
    );
    assert_eq!(loaded, json!([]));
    browser.screenshot("page-hostile");
    daemon.stop();
}

#[test]
fn pictures_come_from_outside_only_where_the_operator_allows_it() {
    let Some(browser) = open(Screen::Desk, "the page's pictures") else { return };
    for (arguments, wanted) in [(&[][..], 1), (&["--outside-pictures"], 2)] {
        let home = Home::new();
        let server = Server::start_with(&home, arguments);
        server.report(&payload("outside", "Outside", "t")).expect(200);
        let mut own = payload("own", "Own", "t");
        own["thumbnail_url"] = json!("/page/icon.svg");
        server.report(&own).expect(200);
        browser.go(&server.url());
        // What cannot be loaded is taken away again, so the wish is counted where it is made.
        browser.run(
            "window.wished = new Set(); new MutationObserver(all => all.forEach(m => m.addedNodes.forEach(n => { \
             n.querySelectorAll?.('img').forEach(i => window.wished.add(i.src)); \
             if (n.tagName === 'IMG') window.wished.add(n.src) }))).observe(document.body, \
             {childList: true, subtree: true})",
        );
        browser.wait("return document.querySelectorAll('#cards .card').length === 2");
        browser.run("document.querySelector('#cards').replaceChildren(); shown.clear(); ask()");
        browser.wait("return document.querySelectorAll('#cards .card').length === 2");
        browser.wait(&format!("return window.wished.size === {wanted}"));
        browser.wait("return document.querySelector('.card[data-id=own] img').naturalWidth > 0");
    }
}

#[test]
fn audio_that_plays_goes_on_while_other_reports_arrive() {
    let Some(browser) = open(Screen::Desk, "the page's audio") else { return };
    let home = Home::new();
    let server = Server::start(&home);
    server.report(&payload("a", "First", "t")).expect(200);
    server.audio("a", &mp3(600, 1)).expect(200);
    browser.go(&server.url());
    browser.wait("return document.querySelector('.card audio') !== null");
    browser.wait("return document.querySelector('#live').innerText === 'live'");
    browser.run("window.player = document.querySelector('audio'); player.play()");
    browser.wait("return player.currentTime > 0");
    let mut newer = payload("b", "Second", "t");
    newer["indexed_at"] = json!("2025-10-21T00:00:00Z");
    server.report(&newer).expect(200);
    wait_for_titles(&browser, &["Second", "First"]);
    let mut mended = payload("a", "First, mended", "t");
    mended["duration_seconds"] = json!(600);
    server.report(&mended).expect(200);
    wait_for_titles(&browser, &["Second", "First, mended"]);
    let time = browser.run("return player.currentTime").as_f64().unwrap();
    browser.wait(&format!("return player.currentTime > {time}"));
    assert_eq!(browser.run("return player.isConnected && !player.paused"), true);
}

#[test]
fn the_page_comes_back_by_itself_when_the_server_does() {
    let Some(browser) = open(Screen::Desk, "the page after a restart") else { return };
    let home = Home::new();
    let server = Server::start(&home);
    server.report(&payload("a", "Before", "t")).expect(200);
    let address = server.address.to_string();
    browser.go(&server.url());
    wait_for_titles(&browser, &["Before"]);
    browser.wait("return document.querySelector('#live').innerText === 'live'");
    server.stop();
    browser.wait("return document.querySelector('#live').innerText === 'reconnecting'");

    let mut again = std::process::Command::new(env!("CARGO_BIN_EXE_ytv2-ingest"));
    again
        .current_dir(home.path())
        .args(["--listen", &address, "--store", "sqlite:store.db", "--media", "media"])
        .env("INGEST_TOKEN", TOKEN)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null());
    let server = Server::start_command(again, &home);
    let mut later = payload("b", "After", "t");
    later["indexed_at"] = json!("2025-10-21T00:00:00Z");
    server.report(&later).expect(200);
    wait_for_titles(&browser, &["After", "Before"]);
    browser.wait("return document.querySelector('#live').innerText === 'live'");
}

#[test]
fn on_a_phone_everything_fits_its_width() {
    let Some(browser) = open(Screen::Phone, "the page on a phone") else { return };
    let home = Home::new();
    let server = Server::start(&home);
    let long = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft";
    let mut wide = payload("wide", &format!("{long}{long}"), &long.repeat(9));
    wide["channel_name"] = json!(long);
    wide["indexed_at"] = json!("2025-10-01T00:00:00Z");
    server.report(&wide).expect(200);
    for (n, title) in ["How tides work", "Why the other queue is always faster"].iter().enumerate()
    {
        let text = "The moon pulls the water, and the water follows as well as the coast lets it. "
            .repeat(6);
        let mut report = payload(&format!("id{n}"), title, &text);
        report["channel_name"] = json!(["Sea Lab", "r/queues"][n]);
        server.report(&report).expect(200);
        server.audio(&format!("id{n}"), &mp3(61, 1)).expect(200);
    }
    browser.go(&server.url());
    browser.wait("return document.querySelectorAll('.card audio').length === 2");
    let fits = "const page = document.documentElement; \
                return page.scrollWidth <= page.clientWidth && innerWidth === 390";
    assert_eq!(browser.run(fits), true);
    browser.screenshot("page-phone");
    browser.click(".fold:not([hidden])");
    browser.wait("return document.querySelector('.summary.open') !== null");
    assert_eq!(browser.run(fits), true);
    browser.darken();
    browser.run("document.querySelector('.card[data-id=wide]').scrollIntoView()");
    assert_eq!(browser.run(fits), true);
    browser.screenshot("page-phone-dark");
}
