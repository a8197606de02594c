//! The faults that a test can order, the rules that say when, and the count of those that acted.

use std::collections::BTreeMap;
use std::time::Duration;

use super::request::Request;

/// What goes wrong with a request. "Stored" says whether the store has changed afterwards.
#[derive(Clone, Debug)]
pub enum Fault {
    /// This status, these headers and this body instead of an answer. Not stored.
    Status(u16, Vec<(String, String)>, String),
    /// A redirect (code, location). Not stored.
    Redirect(u16, String),
    /// RST as early as the rule allows: without conditions, before anything was read. Not stored.
    ResetBeforeRead,
    /// RST when the head was read and the body was not (with an id or a closure in the rule: when
    /// the body was read too, since it has the id). Not stored.
    ResetAfterHeaders,
    /// Stored, then RST instead of an answer.
    ResetAfterCommit,
    /// Stored, then the connection is closed in good order without a byte.
    CloseAfterCommitWithoutAnswer,
    /// Stored; the answer says no length and its JSON stops in the middle.
    TruncatedAnswer,
    /// Stored; the answer promises a Content-Length and closes before it.
    ShortAnswer,
    /// Stored; the answer is whole, and one byte comes at a time, with this pause between.
    SlowAnswer(Duration),
    /// 200 and nothing more. Not stored.
    EmptyBody200,
    /// 200 and a captive portal's page. Not stored.
    Html200,
    /// 200 and JSON that says nothing of storing. Not stored.
    GarbageJson200,
    /// The whole request is read, and then nothing, until `release`: the connection is then closed.
    /// Not stored.
    StallForever,
    /// The whole request is read and lies there until `release`; only then is it processed, whether
    /// its client still waits or not. A proxy that holds a request makes such a zombie.
    HoldThenRelease,
    /// Processed after so many milliseconds.
    DelayMillis(u64),
}

impl Fault {
    /// A bare status with an HTML page, as a proxy in front of the dashboard answers.
    pub fn status(code: u16) -> Self {
        let headers = vec![("Content-Type".to_owned(), "text/html".to_owned())];
        Self::Status(code, headers, format!("<html><h1>{code}</h1></html>"))
    }

    /// A status with one more header, such as `Retry-After`.
    pub fn status_with(code: u16, name: &str, value: &str) -> Self {
        Self::Status(code, vec![(name.to_owned(), value.to_owned())], String::new())
    }

    /// The answer to a poison report (contract C.4).
    pub fn poison() -> Self {
        let headers = vec![("Content-type".to_owned(), "application/json".to_owned())];
        Self::Status(500, headers, r#"{"error":"upsert_returned_false","debug":true}"#.to_owned())
    }

    /// The variant's name, by which it is counted.
    pub fn name(&self) -> &'static str {
        match self {
            Fault::Status(..) => "Status",
            Fault::Redirect(..) => "Redirect",
            Fault::ResetBeforeRead => "ResetBeforeRead",
            Fault::ResetAfterHeaders => "ResetAfterHeaders",
            Fault::ResetAfterCommit => "ResetAfterCommit",
            Fault::CloseAfterCommitWithoutAnswer => "CloseAfterCommitWithoutAnswer",
            Fault::TruncatedAnswer => "TruncatedAnswer",
            Fault::ShortAnswer => "ShortAnswer",
            Fault::SlowAnswer(_) => "SlowAnswer",
            Fault::EmptyBody200 => "EmptyBody200",
            Fault::Html200 => "Html200",
            Fault::GarbageJson200 => "GarbageJson200",
            Fault::StallForever => "StallForever",
            Fault::HoldThenRelease => "HoldThenRelease",
            Fault::DelayMillis(_) => "DelayMillis",
        }
    }
}

/// How far a request has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    Accepted,
    Head,
    Body,
}

type Condition = Box<dyn Fn(&Request) -> bool + Send>;
type Script = Box<dyn FnMut(&Request) -> Option<Fault> + Send>;

/// A fault with its conditions. Without any it takes every request, for ever.
pub struct Rule {
    fault: Fault,
    name: String,
    method: Option<String>,
    path: Option<String>,
    id: Option<String>,
    condition: Option<Condition>,
    above: usize,
    skip: usize,
    times: usize,
}

impl Rule {
    pub fn new(fault: Fault) -> Self {
        let name = fault.name().to_owned();
        let times = usize::MAX;
        let (method, path, id, condition) = (None, None, None, None);
        Self { fault, name, method, path, id, condition, above: 0, skip: 0, times }
    }

    /// Counts under a name of its own as well.
    pub fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    pub fn method(mut self, method: &str) -> Self {
        self.method = Some(method.to_owned());
        self
    }

    /// Only this request target, exactly.
    pub fn path(mut self, path: &str) -> Self {
        self.path = Some(path.to_owned());
        self
    }

    /// Only `POST /ingest/report`.
    pub fn reports(self) -> Self {
        self.method("POST").path("/ingest/report")
    }

    /// Only `POST /ingest/audio`.
    pub fn audio(self) -> Self {
        self.method("POST").path("/ingest/audio")
    }

    /// Only this id, which the body says.
    pub fn id(mut self, id: &str) -> Self {
        self.id = Some(id.to_owned());
        self
    }

    /// Only if the closure says so; it sees the request with its body. It runs under the model's
    /// lock and so must not ask the model anything.
    pub fn when(mut self, condition: impl Fn(&Request) -> bool + Send + 'static) -> Self {
        self.condition = Some(Box::new(condition));
        self
    }

    /// Only while there are more requests than this in flight, with the one in question.
    pub fn above(mut self, above: usize) -> Self {
        self.above = above;
        self
    }

    /// Lets the first so many that match go by.
    pub fn skip(mut self, skip: usize) -> Self {
        self.skip = skip;
        self
    }

    /// Acts at most so often.
    pub fn times(mut self, times: usize) -> Self {
        self.times = times;
        self
    }

    pub fn once(self) -> Self {
        self.times(1)
    }

    /// Only the n-th that matches, from 1.
    pub fn nth(self, n: usize) -> Self {
        self.skip(n - 1).once()
    }

    /// The earliest moment at which this rule can be decided and its fault can act.
    fn stage(&self) -> Stage {
        if self.id.is_some() || self.condition.is_some() {
            return Stage::Body;
        }
        match self.fault {
            Fault::ResetBeforeRead if self.path.is_none() && self.method.is_none() => {
                Stage::Accepted
            }
            Fault::ResetBeforeRead | Fault::ResetAfterHeaders => Stage::Head,
            _ => Stage::Body,
        }
    }

    fn matches(&self, request: &Request, in_flight: usize) -> bool {
        (self.above == 0 || in_flight > self.above)
            && self.method.as_ref().is_none_or(|method| *method == request.method)
            && self.path.as_ref().is_none_or(|path| *path == request.path)
            && self.id.as_ref().is_none_or(|id| request.video_id.as_ref() == Some(id))
            && self.condition.as_ref().is_none_or(|holds| holds(request))
    }
}

/// Names a rule that was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleId(usize);

/// The rules in force, and the count.
#[derive(Default)]
pub(super) struct Faults {
    rules: Vec<(RuleId, Rule)>,
    added: usize,
    script: Option<Script>,
    fired: BTreeMap<String, usize>,
}

impl Faults {
    pub fn add(&mut self, rule: Rule) -> RuleId {
        let id = RuleId(self.added);
        self.added += 1;
        self.rules.push((id, rule));
        id
    }

    pub fn set_script(&mut self, script: Option<Script>) {
        self.script = script;
    }

    pub fn remove(&mut self, id: RuleId) {
        self.rules.retain(|(known, _)| *known != id);
    }

    pub fn clear(&mut self) {
        self.rules.clear();
        self.script = None;
    }

    pub fn fired(&self, name: &str) -> usize {
        self.fired.get(name).copied().unwrap_or(0)
    }

    pub fn count(&mut self, name: &str) {
        *self.fired.entry(name.to_owned()).or_default() += 1;
    }

    /// The fault of a request that has been read so far, with the name to log it under. Whoever
    /// asks must let it act, since it is counted here.
    pub fn choose(
        &mut self,
        request: &Request,
        stage: Stage,
        in_flight: usize,
    ) -> Option<(String, Fault)> {
        let (name, fault) = self.first_match(request, stage, in_flight).or_else(|| {
            let script = self.script.as_mut().filter(|_| stage == Stage::Body)?;
            script(request).map(|fault| (fault.name().to_owned(), fault))
        })?;
        self.count(fault.name());
        if name != fault.name() {
            self.count(&name);
        }
        Some((name, fault))
    }

    fn first_match(
        &mut self,
        request: &Request,
        stage: Stage,
        in_flight: usize,
    ) -> Option<(String, Fault)> {
        for (_, rule) in &mut self.rules {
            if rule.times == 0 || rule.stage() != stage || !rule.matches(request, in_flight) {
                continue;
            }
            if rule.skip > 0 {
                rule.skip -= 1;
                continue;
            }
            rule.times -= 1;
            return Some((rule.name.clone(), rule.fault.clone()));
        }
        None
    }
}
