//! The way to a target: its name, the connection, and who could listen to it.

use std::net::SocketAddr;
use std::time::Duration;

use reqwest::Url;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::line::Line;
use crate::config::is_this_machine;
use crate::delivery::Transport;
use crate::target::Answered;

/// Where a target's name leads; in words, why nowhere.
pub async fn look_up(url: &Url, patience: Duration) -> Result<Vec<SocketAddr>, String> {
    let host = url.host_str().unwrap_or_default().to_owned();
    let asked = url.clone();
    let looking = tokio::task::spawn_blocking(move || asked.socket_addrs(|| None));
    match timeout(patience, looking).await {
        Ok(Ok(Ok(addresses))) if !addresses.is_empty() => Ok(addresses),
        Ok(Ok(Ok(_))) => Err(format!("{host} has no address")),
        Ok(Ok(Err(error))) => Err(format!("{host} cannot be looked up: {error}")),
        Ok(Err(panic)) => Err(panic.to_string()),
        Err(_) => Err(format!("{host} cannot be looked up within {patience:?}")),
    }
}

pub fn address(url: &Url, addresses: &[SocketAddr]) -> Line {
    let host = url.host_str().unwrap_or_default();
    let shown: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
    let is_literal = shown.iter().any(|shown| host.trim_matches(['[', ']']) == shown);
    let words =
        if is_literal { host.to_owned() } else { format!("{host} is {}", shown.join(", ")) };
    Line::ok("address", words)
}

/// Tries every address, and says whether any answers.
pub async fn connect(addresses: &[SocketAddr], patience: Duration) -> (Line, bool) {
    let mut faults = Vec::new();
    for address in addresses {
        match timeout(patience, TcpStream::connect(address)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => faults.push(format!("{address}: {error}")),
            Err(_) => faults.push(format!("{address}: no answer within {patience:?}")),
        }
    }
    let words = faults.join("; ");
    if faults.is_empty() {
        let port = addresses.first().map_or(0, SocketAddr::port);
        (Line::ok("connection", format!("port {port} is open")), true)
    } else if faults.len() < addresses.len() {
        let advice = "the other addresses do; deliveries may be slow to begin";
        (Line::warning("connection", words, advice), true)
    } else {
        let advice = "start the dashboard, or open the way to it: firewall, port, VPN";
        (Line::failed("connection", words, advice), false)
    }
}

/// Told by the first answer, or its absence.
pub fn encryption(url: &Url, first: &Result<Answered, Transport>) -> Line {
    const CHECK: &str = "encryption";
    if url.scheme() == "http" {
        return if is_this_machine(url) {
            Line::ok(CHECK, "none (http), and none needed on this machine")
        } else {
            let advice = "use https, unless every network between is your own";
            Line::warning(CHECK, "none (http): whoever listens can read the token", advice)
        };
    }
    match first {
        Err(fault @ Transport::Tls(_)) => {
            let advice = "the certificate must be valid for this name, and its issuer known here \
                          (ca-certificates, or ca_file in the configuration); see this machine's \
                          date as well, and whether the dashboard speaks https at all";
            Line::failed(CHECK, fault.to_string(), advice)
        }
        Err(_) => Line::warning(CHECK, "cannot be told without an answer", "see below"),
        Ok(_) => Line::ok(CHECK, "the certificate is valid for this name"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Outcome;

    fn answered() -> Answered {
        Answered { status: 200, date: None, body: Vec::new() }
    }

    #[test]
    fn plain_http_is_fine_on_this_machine_alone() {
        for (url, outcome) in [
            ("http://127.0.0.1:1", Outcome::Ok),
            ("http://[::1]:1", Outcome::Ok),
            ("http://localhost", Outcome::Ok),
            ("http://192.168.1.2", Outcome::Warning),
            ("https://example.org", Outcome::Ok),
        ] {
            let line = encryption(&url.parse().unwrap(), &Ok(answered()));
            assert_eq!(line.outcome, outcome, "{url}");
        }
        let fault = Err(Transport::Tls("expired".to_owned()));
        let line = encryption(&"https://example.org".parse().unwrap(), &fault);
        assert_eq!(line.outcome, Outcome::Failed);
    }
}
