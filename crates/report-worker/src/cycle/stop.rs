//! How a running cycle ends early: what it waits for outside is given up, what it writes down is finished.

use std::time::Duration;

use tokio::sync::watch;

/// The wish that the running cycle ends. Its clones are the same wish.
#[derive(Clone)]
pub(super) struct Stop(watch::Sender<bool>);

impl Stop {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    pub(super) fn ask(&self) {
        self.0.send_replace(true);
    }

    pub(super) fn is_asked(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits for something outside of this process: to its end, or until `grace` after the cycle was asked to end. Then
    /// it is dropped and there is no answer. Never for a transaction.
    pub(super) async fn or<T>(&self, grace: Duration, outside: impl Future<Output = T>) -> Option<T> {
        let mut asked = self.0.subscribe();
        let given_up = async {
            // The sender lives as long as this borrow.
            let _ = asked.wait_for(|asked| *asked).await;
            tokio::time::sleep(grace).await;
        };
        tokio::select! {
            biased;
            answer = outside => Some(answer),
            () = given_up => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    #[tokio::test]
    async fn what_is_outside_is_waited_for_until_the_grace_is_over() {
        let (stop, grace) = (Stop::new(), Duration::from_millis(50));
        assert_eq!(stop.or(Duration::ZERO, tokio::task::yield_now()).await, Some(()));
        stop.ask();
        assert_eq!(stop.or(Duration::ZERO, ready(7)).await, Some(7), "what is there is taken");
        assert_eq!(stop.or(Duration::ZERO, pending::<()>()).await, None);
        assert_eq!(stop.or(grace, tokio::task::yield_now()).await, Some(()));
        assert_eq!(stop.or(grace, pending::<()>()).await, None);
    }
}
