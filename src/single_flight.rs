//! Who asks when many want to know the same at once? One flight for each key; the others wait for its answer.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::telemetry::trace;

/// The flights under way.
///
/// A flight runs on a task of its own, so that it lands whoever hangs up, and is forgotten before its answer is told:
/// whoever comes after the answer starts anew, so that a failure is remembered by nobody.
pub struct Flights<K, V> {
    under_way: Arc<Mutex<UnderWay<K, V>>>,
}

type UnderWay<K, V> = HashMap<K, watch::Receiver<Option<V>>>;

/// A place to wait for a flight's answer.
pub struct Ticket<V> {
    answer: watch::Receiver<Option<V>>,
    joined: bool,
}

/// Takes a flight out of the list, also if it panics or its runtime ends.
struct Landing<K: Eq + Hash, V> {
    under_way: Arc<Mutex<UnderWay<K, V>>>,
    key: K,
}

impl<K: Eq + Hash, V> Default for Flights<K, V> {
    fn default() -> Self {
        Self { under_way: Arc::default() }
    }
}

impl<K, V> Flights<K, V>
where
    K: Clone + Eq + Hash + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Joins the flight for `key`, or starts `flight` on a task of the current runtime.
    pub fn board<F>(&self, key: K, flight: impl FnOnce() -> F) -> Ticket<V>
    where
        F: Future<Output = V> + Send + 'static,
    {
        let mut under_way = lock(&self.under_way);
        if let Some(answer) = under_way.get(&key) {
            return Ticket { answer: answer.clone(), joined: true };
        }
        let (sender, answer) = watch::channel(None);
        under_way.insert(key.clone(), answer.clone());
        drop(under_way);
        let landing = Landing { under_way: Arc::clone(&self.under_way), key };
        let flight = flight();
        tokio::spawn(trace::carried(async move {
            let value = flight.await;
            // INVARIANT: out of the list before anyone hears the answer.
            drop(landing);
            sender.send_replace(Some(value));
        }));
        Ticket { answer, joined: false }
    }

    /// How many flights are under way.
    #[must_use]
    pub fn count(&self) -> usize {
        lock(&self.under_way).len()
    }
}

impl<V: Clone> Ticket<V> {
    /// Whether the flight was under way already.
    #[must_use]
    pub fn joined(&self) -> bool {
        self.joined
    }

    /// The flight's answer; `None` if it ended without one, by a panic or with its runtime.
    pub async fn wait(mut self) -> Option<V> {
        self.answer.wait_for(Option::is_some).await.ok()?.clone()
    }
}

impl<K: Eq + Hash, V> Drop for Landing<K, V> {
    fn drop(&mut self) {
        lock(&self.under_way).remove(&self.key);
    }
}

fn lock<K, V>(under_way: &Mutex<UnderWay<K, V>>) -> MutexGuard<'_, UnderWay<K, V>> {
    under_way.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Semaphore;

    use super::Flights;

    #[tokio::test]
    async fn many_share_one_flight_whoever_hangs_up() {
        let (flights, flown, gate) = (Flights::default(), Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
        let flight = || {
            let (flown, gate) = (Arc::clone(&flown), Arc::clone(&gate));
            async move {
                let _open = gate.acquire().await;
                flown.fetch_add(1, Ordering::Relaxed)
            }
        };
        let first = flights.board("k", flight);
        assert!(!first.joined());
        let others: Vec<_> = (0..50).map(|_| flights.board("k", flight)).collect();
        assert!(others.iter().all(super::Ticket::joined));
        let another = flights.board("l", flight);
        drop(first);
        gate.add_permits(2);
        for other in others {
            assert_eq!(other.wait().await, Some(0));
        }
        assert_eq!(another.wait().await, Some(1));
        assert_eq!(flights.count(), 0);
    }

    #[tokio::test]
    async fn whoever_comes_after_the_answer_starts_anew() {
        let flights = Flights::default();
        for n in 0..100 {
            let ticket = flights.board("k", || async move { n });
            assert!(!ticket.joined());
            assert_eq!(ticket.wait().await, Some(n));
        }
    }

    #[tokio::test]
    async fn a_panic_ends_the_wait_and_leaves_nothing_behind() {
        let flights: Flights<&str, ()> = Flights::default();
        let ticket = flights.board("k", || async { panic!("on purpose") });
        let joined = flights.board("k", || async {});
        assert!(joined.joined());
        assert_eq!((ticket.wait().await, joined.wait().await), (None, None));
        assert_eq!(flights.board("k", || async {}).wait().await, Some(()));
    }
}
