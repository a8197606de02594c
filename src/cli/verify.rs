//! `ytv2d verify`: compares what the dashboard holds with what it ought to hold, and says where they
//! differ.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use serde::Serialize;

use super::amount::{counted, grouped};
use super::ask::{At, block_on};
use super::failure::{Failure, say};
use super::layout::clean;
use super::output;
use crate::control::wire::{Fault, Finding, Verified, Verifying};
use crate::proof::What;

/// The dashboard is not level.
const DIFFERS: u8 = 1;

/// What `verify` can be told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Send again what is missing there, or is another than here. What was deleted there, and what
    /// only the dashboard has, stays as it is.
    #[arg(long)]
    fix: bool,
    /// Only so many ids, chosen by chance; records that nothing here is known of are not looked for
    /// then.
    #[arg(long, value_name = "N")]
    sample: Option<usize>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// All that a verification told.
#[derive(Serialize)]
struct Told {
    #[serde(flatten)]
    verified: Verified,
    findings: Vec<Finding>,
}

/// Succeeds when the dashboard is level.
pub fn main(args: &Args, at: &At) -> Result<ExitCode, Failure> {
    let client = at.client()?;
    let sample = args.sample.map(|size| size.to_string());
    let query = [("sample", sample.as_deref()), ("fix", args.fix.then_some("true"))];
    let mut told = Vec::new();
    let mut progress = Progress::new();
    let ended = block_on(async {
        let mut verification = client.verify(&query).await?;
        while let Some(line) = verification.next().await {
            match line {
                Verifying::Listed { done, of } => progress.show("listed", done, of),
                Verifying::Checked { done, of } => progress.show("compared", done, of),
                Verifying::Found(finding) => {
                    progress.wipe();
                    if args.json {
                        told.push(finding);
                    } else {
                        output::print(&(self::line(&finding) + "\n"))?;
                    }
                }
                Verifying::Done(verified) => return Ok(Ok(verified)),
                Verifying::Failed(fault) => return Ok(Err(fault)),
            }
        }
        let error = "the daemon broke off".to_owned();
        Ok(Err(Fault { error, hint: "see its log: journalctl -u ytv2d".to_owned() }))
    })?;
    progress.wipe();
    match ended {
        Err(Fault { error, hint }) => {
            say(&format_args!("{error} ({hint})"));
            Ok(ExitCode::FAILURE)
        }
        Ok(verified) => {
            let code = if verified.differences == 0 { 0 } else { DIFFERS };
            if args.json {
                output::print_json(&Told { verified, findings: told })?;
            } else {
                output::print(&summary(&verified))?;
            }
            Ok(ExitCode::from(code))
        }
    }
}

/// A difference on a line.
fn line(finding: &Finding) -> String {
    let Finding { id, what, why, remedy, fixed, .. } = finding;
    let mut line = format!("{}  {}: {}", clean(id), what.words(), clean(why));
    if *fixed {
        line.push_str("; made due again");
    } else if let Some(remedy) = remedy.as_ref().filter(|_| *what == What::Deleted) {
        line.push_str(&format!("; to send it again all the same: {}", clean(remedy)));
    }
    line
}

fn summary(verified: &Verified) -> String {
    let Verified { target, checked, differences, found, fixed, left, sampled, .. } = verified;
    let of = if *sampled { " of a sample" } else { "" };
    let ids = counted(*checked, "id", "ids");
    let mut text = match differences {
        0 => format!("{} is level in {ids}{of}", clean(target)),
        _ => format!(
            "{} differs in {} of {ids}{of}",
            clean(target),
            counted(*differences, "thing", "things")
        ),
    };
    let kinds: Vec<String> =
        found.iter().map(|(what, count)| format!("{} {}", grouped(*count), what.words())).collect();
    if !kinds.is_empty() {
        text.push_str(&format!(": {}", kinds.join(", ")));
    }
    text.push('\n');
    if *fixed > 0 {
        text.push_str(&format!("{} made due again: ytv2d status\n", grouped(*fixed)));
    } else if *left > 0 && !verified.lost {
        text.push_str("to send again what can be sent again: ytv2d verify --fix\n");
    }
    if verified.lost {
        text.push_str(
            "most of what was acknowledged is gone: if the dashboard has lost its database, send \
             everything again: ytv2d resend --all\n",
        );
    }
    if let Some(why) = &verified.unlisted {
        text.push_str(&format!(
            "records that the NAS has no file for were not looked for: {}\n",
            clean(why)
        ));
    }
    text
}

/// How far it is, on the error stream, where a person looks at that.
struct Progress {
    is_seen: bool,
    is_shown: bool,
}

impl Progress {
    fn new() -> Self {
        Self { is_seen: io::stderr().is_terminal(), is_shown: false }
    }

    fn show(&mut self, what: &str, done: usize, of: usize) {
        if self.is_seen {
            eprint!("\r\x1b[K{what} {} of {}", grouped(done), grouped(of));
            let _gone = io::stderr().flush();
            self.is_shown = true;
        }
    }

    fn wipe(&mut self) {
        if std::mem::take(&mut self.is_shown) {
            eprint!("\r\x1b[K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(what: What, remedy: Option<&str>, fixed: bool) -> Finding {
        Finding {
            target: "dashboard".to_owned(),
            id: "v".to_owned(),
            what,
            why: "a\nb".to_owned(),
            remedy: remedy.map(str::to_owned),
            fixed,
        }
    }

    #[test]
    fn a_difference_is_a_line_that_says_what_was_done_or_can_be() {
        for (finding, text) in [
            (finding(What::Extra, None, false), "v  no file here: a\\nb"),
            (finding(What::Stale, None, true), "v  stale: a\\nb; made due again"),
            (finding(What::Stale, Some("ytv2d verify --fix"), false), "v  stale: a\\nb"),
            (
                finding(What::Deleted, Some("ytv2d resend v"), false),
                "v  deleted or hidden there: a\\nb; to send it again all the same: ytv2d resend v",
            ),
        ] {
            assert_eq!(line(&finding), text);
        }
    }

    #[test]
    fn the_end_says_what_it_adds_up_to() {
        let level = Verified {
            target: "dashboard".to_owned(),
            at: jiff::Timestamp::UNIX_EPOCH,
            checked: 1200,
            differences: 0,
            found: [(What::Deleted, 1)].into(),
            fixed: 0,
            left: 0,
            sampled: false,
            lost: false,
            unlisted: None,
        };
        assert_eq!(summary(&level), "dashboard is level in 1,200 ids: 1 deleted or hidden there\n");
        let found = [(What::Stale, 2), (What::Extra, 1)].into();
        let differs =
            Verified { differences: 3, left: 2, found, checked: 1, sampled: true, ..level };
        let text = "dashboard differs in 3 things of 1 id of a sample: 2 stale, 1 no file here\n\
                    to send again what can be sent again: ytv2d verify --fix\n";
        assert_eq!(summary(&differs), text);
        let fixed = Verified { fixed: 2, left: 0, unlisted: Some("404".to_owned()), ..differs };
        assert!(summary(&fixed).ends_with("no file for were not looked for: 404\n"));
        assert!(summary(&fixed).contains("2 made due again"));
        assert!(summary(&Verified { lost: true, ..fixed }).contains("ytv2d resend --all"));
    }
}
