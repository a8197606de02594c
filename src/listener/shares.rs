//! How many connections each host has, so that none takes them all.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Peer;

/// The connections of every host that has any.
#[derive(Clone, Debug, Default)]
pub struct Shares(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// One connection of a host, until it is dropped.
#[derive(Debug)]
pub struct Share {
    peer: Peer,
    shares: Shares,
}

impl Shares {
    /// Counts one more of a host; nothing when it has `most` already. Where the socket has no
    /// addresses, all may have as many as they like.
    pub fn take(&self, peer: Peer, most: usize) -> Option<Share> {
        if let Peer(Some(host)) = peer {
            let mut held = self.lock();
            let connections = held.entry(host).or_default();
            if *connections >= most {
                return None;
            }
            *connections += 1;
        }
        Some(Share { peer, shares: self.clone() })
    }

    /// Each change is one step, so a panic elsewhere leaves nothing half done.
    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let Peer(Some(host)) = self.peer else { return };
        let mut held = self.shares.lock();
        if let Some(connections) = held.get_mut(&host) {
            *connections -= 1;
            if *connections == 0 {
                held.remove(&host);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_its_share_and_leaves_the_others_theirs() {
        let shares = Shares::default();
        let host = |last| Peer(Some(IpAddr::from([10, 0, 0, last])));
        let take = |last| shares.take(host(last), 2);
        let (first, _second) = (take(1), take(1));
        assert!(first.is_some() && take(1).is_none());
        let other = take(2);
        assert!(other.is_some());
        drop(first);
        let again = take(1);
        assert!(again.is_some() && take(1).is_none());
        drop((again, other));
        assert_eq!(shares.lock().len(), 1, "who has gone is forgotten");
        let local: Vec<_> = (0..9).map(|_| shares.take(Peer(None), 2)).collect();
        assert!(local.iter().all(Option::is_some));
    }
}
