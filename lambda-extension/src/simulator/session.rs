//! A run from the first invocation to the end: what `lambda-sim` does, and a program that finds no Lambda around it.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::{Invocation, Report, ShutdownReason, Simulator};

/// A number of invocations, one after the other, and then the end.
///
/// Ctrl-C, or SIGTERM, ends it early and in order: the extensions get their SHUTDOWN.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use lambda_extension::simulator::{Session, Simulator};
///
/// let simulator = Simulator::start().await;
/// let report = Session::new(3).run(simulator, |number, invocation| {
///     println!("{number}: {}", invocation.status);
/// }).await;
/// assert_eq!(report.totals.invocations, 3);
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing happens before `run` is called"]
pub struct Session {
    invocations: u64,
    gap: Duration,
    payload: Vec<u8>,
    at_once: usize,
    reason: ShutdownReason,
}

impl Session {
    /// This many invocations with the payload `{}`, without a pause between them.
    pub fn new(invocations: u64) -> Self {
        Self {
            invocations,
            gap: Duration::ZERO,
            payload: b"{}".to_vec(),
            at_once: 1,
            reason: ShutdownReason::Spindown,
        }
    }

    /// What the function is invoked with, each time; `{}` otherwise. It is passed on as it is.
    pub fn payload(mut self, payload: impl Into<Vec<u8>>) -> Self {
        self.payload = payload.into();
        self
    }

    /// The time from the end of an invocation to the begin of the next, in which the environment is frozen; none otherwise.
    pub fn gap(mut self, gap: Duration) -> Self {
        self.gap = gap;
        self
    }

    /// So many invocations at once, at least one; one otherwise. Only Managed Instances do that; elsewhere they wait for
    /// each other.
    pub fn at_once(mut self, invocations: usize) -> Self {
        self.at_once = invocations.max(1);
        self
    }

    /// Why the environment ends; because it is idle otherwise.
    pub fn reason(mut self, reason: impl Into<ShutdownReason>) -> Self {
        self.reason = reason.into();
        self
    }

    /// Goes through it, tells of every invocation, counted from 1, as it ends, and returns the report of the whole life.
    ///
    /// An environment that cannot be initialised is not invoked again and again: the run ends there.
    pub async fn run(&self, simulator: Simulator, mut told: impl FnMut(u64, &Invocation)) -> Report {
        let simulator = Arc::new(simulator);
        tokio::select! {
            () = self.invoke_all(&simulator, &mut told) => {}
            () = asked_to_end() => {}
        }
        simulator.shutdown(self.reason.clone()).await
    }

    async fn invoke_all(&self, simulator: &Arc<Simulator>, told: &mut impl FnMut(u64, &Invocation)) {
        let mut under_way = JoinSet::new();
        let (mut begun, mut ended) = (0, 0);
        while ended < self.invocations {
            while begun < self.invocations && under_way.len() < self.at_once {
                if begun > 0 {
                    tokio::time::sleep(self.gap).await;
                }
                begun += 1;
                let (simulator, payload) = (Arc::clone(simulator), self.payload.clone());
                under_way.spawn(async move { simulator.invoke(payload).await });
            }
            let invocation = match under_way.join_next().await {
                Some(Ok(invocation)) => invocation,
                Some(Err(error)) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                _ => return,
            };
            ended += 1;
            told(ended, &invocation);
            if invocation.never_began() {
                return;
            }
        }
    }
}

/// Waits for Ctrl-C or SIGTERM; for ever where they cannot be waited for.
async fn asked_to_end() {
    let terminated = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        Ok(()) = tokio::signal::ctrl_c() => {}
        () = terminated => {}
    }
}
