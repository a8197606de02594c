//! Where a record comes from, told by its address and its id (contract E.1, `content_source`).
//!
//! Nothing stores it, and it has to be filtered by, so the rule is written once, in SQL.

/// The sources that are known by a host, and their hosts: the first that fits.
const HOSTS: [(&str, &[&str]); 4] = [
    ("wikipedia", &["wikipedia.org"]),
    ("lds", &["churchofjesuschrist.org", "lds.org"]),
    ("reddit", &["reddit.com", "redd.it"]),
    ("youtube", &["youtube.com", "youtu.be"]),
];

/// The source of a row `c` of `content` as an expression that every store understands.
pub(super) fn expression() -> String {
    let mut cases = String::new();
    for (source, hosts) in HOSTS {
        for host in hosts {
            cases += &format!(
                "WHEN lower(c.canonical_url) LIKE '%//{host}%'
                   OR lower(c.canonical_url) LIKE '%//%.{host}%' THEN '{source}'\n"
            );
        }
    }
    format!(
        "CASE {cases}
              WHEN c.video_id LIKE 'reddit:%' THEN 'reddit'
              WHEN length(c.video_id) = 11 THEN 'youtube'
              WHEN c.canonical_url IS NOT NULL OR c.video_id LIKE 'web:%' THEN 'web'
              ELSE 'other' END"
    )
}

/// A source in a person's words.
pub fn label(source: &str) -> &str {
    match source {
        "wikipedia" => "Wikipedia",
        "lds" => "Church of Jesus Christ",
        "reddit" => "Reddit",
        "youtube" => "YouTube",
        "web" => "Web",
        _ => "Other",
    }
}
