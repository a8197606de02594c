//! A headless Chromium, driven over WebDriver by `chromedriver` (W3C WebDriver, a protocol of plain
//! HTTP and JSON).

#![allow(dead_code)]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Nothing on a page takes this long; whatever does has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// No sandbox, since it is root that tests run as in many a container; and nothing that would talk
/// to anybody but the server under test, not even a name that would be looked up.
const FLAGS: [&str; 13] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--mute-audio",
    "--autoplay-policy=no-user-gesture-required",
    "--window-size=1180,900",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
];

/// How a page is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Screen {
    Desk,
    /// 390 by 844, at two pixels to the unit.
    Phone,
}

/// A browser with one page, closed when dropped.
pub struct Browser {
    driver: Child,
    session: String,
    http: reqwest::Client,
    runtime: tokio::runtime::Runtime,
    _profile: TempDir,
}

impl Browser {
    /// A new browser without a past. `Err`: why there is none on this machine.
    pub fn open(screen: Screen) -> Result<Self, String> {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("no chromedriver: {error}"))?;
        let output = BufReader::new(driver.stdout.take().expect("piped"));
        let port = output.lines().map_while(Result::ok).find_map(|line| {
            line.rsplit_once("successfully on port ")?.1.trim_end_matches('.').parse().ok()
        });
        let port: u16 = port.expect("chromedriver says its port");

        let profile = tempfile::tempdir().expect("a profile");
        let mut flags: Vec<String> = FLAGS.map(str::to_owned).into();
        flags.push(format!("--user-data-dir={}", profile.path().display()));
        let mut options = json!({ "args": flags });
        if screen == Screen::Phone {
            options["mobileEmulation"] = json!({"deviceMetrics": {
                "width": 390, "height": 844, "pixelRatio": 2.0, "touch": true, "mobile": true,
            }});
        }
        let mut browser = Self {
            driver,
            session: format!("http://127.0.0.1:{port}/session"),
            http: reqwest::Client::builder().no_proxy().build().expect("a client"),
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("tokio"),
            _profile: profile,
        };
        let wanted = json!({"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}});
        let answer = browser.ask("POST", "", Some(&wanted));
        let why = answer["message"].as_str().unwrap_or_default();
        if why.contains("cannot find") {
            return Err(format!("no Chromium: {why}"));
        }
        let id = answer["sessionId"].as_str().unwrap_or_else(|| panic!("{answer}"));
        browser.session = format!("{}/{id}", browser.session);
        Ok(browser)
    }

    pub fn go(&self, url: &str) {
        self.expect("POST", "/url", &json!({ "url": url }));
    }

    /// What a function's body gives on the page.
    #[track_caller]
    pub fn run(&self, body: &str) -> Value {
        self.expect("POST", "/execute/sync", &json!({ "script": body, "args": [] }))
    }

    /// Looks until a function's body gives something true, and gives that.
    #[track_caller]
    pub fn wait(&self, body: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found = self.run(body);
            if !matches!(found, Value::Null | Value::Bool(false)) {
                return found;
            }
            if Instant::now() > deadline {
                let page = self.run("return document.body.innerText");
                panic!("in vain: {body}; the page says {page}");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Types into the one element that a CSS selector finds, as a person would.
    pub fn type_into(&self, selector: &str, text: &str) {
        let element = self.element(selector);
        self.expect("POST", &format!("/element/{element}/value"), &json!({ "text": text }));
    }

    pub fn click(&self, selector: &str) {
        let element = self.element(selector);
        self.expect("POST", &format!("/element/{element}/click"), &json!({}));
    }

    /// Has pages know from now on that the reader prefers dark ones.
    pub fn darken(&self) {
        let features = json!([{"name": "prefers-color-scheme", "value": "dark"}]);
        let command =
            json!({"cmd": "Emulation.setEmulatedMedia", "params": {"features": features}});
        self.expect("POST", "/goog/cdp/execute", &command);
    }

    fn element(&self, selector: &str) -> String {
        let query = json!({ "using": "css selector", "value": selector });
        let found = self.expect("POST", "/element", &query);
        let id = found.as_object().and_then(|found| found.values().next()?.as_str());
        id.unwrap_or_else(|| panic!("no {selector}: {found}")).to_owned()
    }

    /// Keeps what is to be seen as `target/tmp/<name>.png`, and says where.
    pub fn screenshot(&self, name: &str) -> PathBuf {
        let png = self.ask("GET", "/screenshot", None);
        let png = base64::engine::general_purpose::STANDARD
            .decode(png.as_str().expect("a picture"))
            .expect("base64");
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.png"));
        std::fs::write(&path, png).expect("a file");
        path
    }

    #[track_caller]
    fn expect(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.ask(method, path, Some(body));
        assert!(answer.get("error").is_none(), "{method} {path} {body}: {answer}");
        answer
    }

    /// The `value` of an answer, which of one that failed has an `error`.
    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let method = method.parse().expect("a method");
        let mut request = self.http.request(method, format!("{}{path}", self.session));
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let answered = self.runtime.block_on(async { request.send().await?.text().await });
        let answer = match answered {
            Ok(text) => serde_json::from_str(&text).unwrap_or(json!({"value": {"error": text}})),
            Err(error) => json!({"value": {"error": format!("{error:?}")}}),
        };
        answer["value"].clone()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // This ends the browser; the driver alone would leave it behind.
        self.ask("DELETE", "", None);
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
