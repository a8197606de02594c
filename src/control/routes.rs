//! Every route of the socket: what it takes and what it gives. The README's table says the same, and
//! a test holds the two together.

/// One route.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    pub method: &'static str,
    pub path: &'static str,
    /// What may stand behind the question mark.
    pub query: &'static [&'static str],
    /// The JSON that it takes, by its name in [`wire`](super::wire).
    pub takes: Option<&'static str>,
    /// What it gives, likewise, or a media type.
    pub gives: &'static str,
    /// What for.
    pub what: &'static str,
}

const fn get(
    path: &'static str,
    query: &'static [&'static str],
    gives: &'static str,
    what: &'static str,
) -> Route {
    Route { method: "GET", path, query, takes: None, gives, what }
}

const fn post(path: &'static str, query: &'static [&'static str], what: &'static str) -> Route {
    Route { method: "POST", path, query, takes: None, gives: "Done", what }
}

/// All of them.
pub const ROUTES: &[Route] = &[
    get("/status", &[], "Status", "how things are: roots, targets, outbox, and what is wrong"),
    get(
        "/items",
        &["state", "kind", "target", "q", "after", "limit"],
        "Items",
        "items and files, the latest change first, paged: pass `next` as `after`",
    ),
    get("/items/{id}", &["payload"], "Account", "everything about one id"),
    get("/why", &["path", "payload"], "Account", "everything about one file"),
    post("/items/{id}/retry", &["target"], "try again now"),
    post("/items/{id}/resend", &["target"], "send again though unchanged"),
    post("/items/{id}/drop", &["target"], "forget it until its file changes"),
    post("/retry", &["state", "reason", "target"], "try all of a state again now"),
    post("/resend", &["target"], "send everything again though unchanged"),
    post("/pause", &["target"], "send nothing until told to resume, across restarts too"),
    post("/resume", &["target"], "go on"),
    Route {
        method: "POST",
        path: "/rescan",
        query: &["root", "accept_removals"],
        takes: None,
        gives: "Rescanned",
        what: "look through the directories now",
    },
    Route {
        method: "POST",
        path: "/verify",
        query: &["sample", "fix"],
        takes: None,
        gives: "application/x-ndjson",
        what: "compare with what the dashboard says: a line of Verifying for each step",
    },
    Route {
        method: "POST",
        path: "/sync",
        query: &["from", "since", "force", "dry_run"],
        takes: None,
        gives: "Synced",
        what: "look through the sources, and say how every target stands with them",
    },
    Route {
        method: "POST",
        path: "/check",
        query: &["write"],
        takes: None,
        gives: "Checked",
        what: "go the way to every target, with a test record on request",
    },
    post("/reload", &[], "read the configuration again"),
    post("/adopt", &["target", "dry_run"], "take what was never acknowledged as delivered"),
    Route {
        method: "POST",
        path: "/upload",
        query: &[],
        takes: Some("Upload"),
        gives: "Uploaded",
        what: "deliver a pair now, and say what came of it",
    },
    get("/events", &["after"], "text/event-stream", "what happens, as it happens"),
    get("/metrics", &[], "application/openmetrics-text", "figures for Prometheus"),
    get("/healthz", &[], "Health", "200, or 503 with the reasons"),
];

impl Route {
    /// As it is written in the README: the method, the path, and what may be asked.
    pub fn signature(&self) -> String {
        let mut signature = format!("{} {}", self.method, self.path);
        for (index, key) in self.query.iter().enumerate() {
            signature.push(if index == 0 { '?' } else { '&' });
            signature.push_str(key);
            signature.push('=');
        }
        signature
    }
}

#[cfg(test)]
impl Route {
    /// A row of the README's table.
    fn row(&self) -> String {
        let takes = self.takes.map(|takes| format!(" {takes}")).unwrap_or_default();
        format!("| `{}`{takes} | {} | {} |", self.signature(), self.gives, self.what)
    }
}

/// Every route, for whoever asked for another.
pub fn all() -> String {
    let signatures: Vec<String> = ROUTES.iter().map(Route::signature).collect();
    format!("there are {}", signatures.join(", "))
}

/// What may be asked of the route that a path means.
pub fn hint(method: &str, path: &str) -> String {
    let matches = |pattern: &str| {
        pattern.split('/').count() == path.split('/').count()
            && pattern
                .split('/')
                .zip(path.split('/'))
                .all(|(pattern, part)| pattern.starts_with('{') || pattern == part)
    };
    let route =
        ROUTES.iter().filter(|route| route.method == method).find(|route| matches(route.path));
    match route {
        Some(route) => match route.takes {
            Some("Upload") => format!(
                "ask {} with {{\"report\": PATH, \"audio\": PATH, \"wait\": SECONDS}}; audio and wait \
                 may be left out",
                route.signature()
            ),
            _ => format!("ask {}", route.signature()),
        },
        None => all(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_question_is_answered_with_the_right_one() {
        assert_eq!(hint("POST", "/items/a/drop"), "ask POST /items/{id}/drop?target=");
        assert_eq!(hint("GET", "/why"), "ask GET /why?path=&payload=");
        assert!(hint("GET", "/nowhere").starts_with("there are GET /status"));
    }

    #[test]
    fn the_readme_has_the_same_routes() {
        let readme = include_str!("../../README.md");
        let (_, below) =
            readme.split_once("| route | gives | what for |\n|---|---|---|\n").unwrap();
        let rows = below.lines().take_while(|line| line.starts_with('|'));
        let found: Vec<&str> = rows.collect();
        let expected: Vec<String> = ROUTES.iter().map(Route::row).collect();
        assert_eq!(found, expected, "the table should be:\n{}\n", expected.join("\n"));
    }
}
