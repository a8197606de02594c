//! How often a peer may show a wrong secret. Pure, but for its memory, which is bounded.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use tokio::time::Instant;

/// So many failures in a row are let pass.
const BURST: u32 = 10;
/// One is forgiven after so long.
const FORGIVEN: Duration = Duration::from_secs(6);
/// So many peers are remembered. Beyond that, all others are one.
const PEERS_MAX: usize = 1024;

/// The failures of late.
#[derive(Debug, Default)]
pub struct Limiter {
    /// Until when the failures of each are remembered.
    until: HashMap<Option<IpAddr>, Instant>,
}

impl Limiter {
    /// How long a peer is not listened to; nothing, when it is.
    pub fn waits(&self, peer: Option<IpAddr>, now: Instant) -> Option<Duration> {
        let until = self.until.get(&self.slot(peer))?;
        let over = until.saturating_duration_since(now).checked_sub(FORGIVEN * (BURST - 1))?;
        (!over.is_zero()).then_some(over)
    }

    /// A peer has shown a wrong secret, or none.
    pub fn failed(&mut self, peer: Option<IpAddr>, now: Instant) {
        if self.until.len() >= PEERS_MAX {
            self.until.retain(|_, until| *until > now);
        }
        let slot = self.slot(peer);
        let until = self.until.entry(slot).or_insert(now);
        *until = (*until).max(now) + FORGIVEN;
    }

    /// Under which name a peer is remembered.
    fn slot(&self, peer: Option<IpAddr>) -> Option<IpAddr> {
        let peer = peer.map(of_one_household);
        let has_room = self.until.len() < PEERS_MAX || self.until.contains_key(&peer);
        peer.filter(|_| has_room)
    }
}

/// Whoever has one IPv6 address has all of its /64.
fn of_one_household(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn ten_failures_are_let_pass_and_then_one_for_each_that_is_forgiven() {
        let (mut limiter, start) = (Limiter::default(), Instant::now());
        let (bad, good) = (peer("192.0.2.1"), peer("192.0.2.2"));
        for n in 0..BURST {
            assert_eq!(limiter.waits(bad, start), None, "{n}");
            limiter.failed(bad, start);
        }
        assert_eq!(limiter.waits(bad, start), Some(FORGIVEN));
        assert_eq!(limiter.waits(good, start), None);
        let later = start + FORGIVEN;
        assert_eq!(limiter.waits(bad, later), None);
        limiter.failed(bad, later);
        assert_eq!(limiter.waits(bad, later), Some(FORGIVEN));
        assert_eq!(limiter.waits(bad, later + FORGIVEN * BURST), None);
    }

    #[test]
    fn an_address_is_the_same_however_it_is_written_or_chosen() {
        let (mut limiter, now) = (Limiter::default(), Instant::now());
        for n in 0..BURST {
            limiter.failed(peer(&format!("2001:db8::{n:x}")), now);
            limiter.failed(peer("::ffff:192.0.2.1"), now);
        }
        assert!(limiter.waits(peer("2001:db8::ffff"), now).is_some());
        assert!(limiter.waits(peer("2001:db8:0:1::1"), now).is_none());
        assert!(limiter.waits(peer("192.0.2.1"), now).is_some());
    }

    #[test]
    fn any_number_of_peers_takes_so_much_memory_and_no_more() {
        let (mut limiter, start) = (Limiter::default(), Instant::now());
        let number = |n: u32| Some(IpAddr::from(n.to_be_bytes()));
        (0..100_000).for_each(|n| limiter.failed(number(n), start));
        assert!(limiter.until.len() <= PEERS_MAX + 1, "{}", limiter.until.len());
        // Whoever is not remembered pays for all who are not.
        assert!(limiter.waits(number(200_000), start).is_some());
        assert!(limiter.waits(number(1), start).is_none());
        let later = start + FORGIVEN * 200_000;
        limiter.failed(number(300_000), later);
        assert_eq!(limiter.until.len(), 1);
        assert!(limiter.waits(number(400_000), later).is_none());
    }
}
