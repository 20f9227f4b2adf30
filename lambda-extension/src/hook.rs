//! Calling the hooks so that nothing they do ends the process.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use crate::{
    contain::{caught_by_itself, contain, drop_contained},
    error::{Error, Hook, HookError, chain},
    event::{FlushEvent, InvokeEvent, RestoreEvent, ShutdownEvent},
    extension::Extension,
    registration::Registration,
    say,
    telemetry::Batch,
};

/// A hook and what it is called with.
pub(crate) enum Call {
    Init(Registration),
    Invoke(InvokeEvent),
    Telemetry(Batch),
    Flush(FlushEvent),
    Restore(RestoreEvent),
    Shutdown(ShutdownEvent),
}

impl Call {
    pub(crate) fn hook(&self) -> Hook {
        match self {
            Self::Init(_) => Hook::OnInit,
            Self::Invoke(_) => Hook::OnInvoke,
            Self::Telemetry(_) => Hook::OnTelemetry,
            Self::Flush(_) => Hook::OnFlush,
            Self::Restore(_) => Hook::OnRestore,
            Self::Shutdown(_) => Hook::OnShutdown,
        }
    }

    /// The hook itself is called when the future is first polled, so a panic in making its future is contained too.
    pub(crate) async fn start<E: Extension>(self, extension: &mut E) -> Result<(), Error> {
        match self {
            Self::Init(registration) => extension.on_init(&registration).await,
            Self::Invoke(event) => extension.on_invoke(event).await,
            Self::Telemetry(batch) => extension.on_telemetry(batch).await,
            Self::Flush(event) => extension.on_flush(event).await,
            Self::Restore(event) => extension.on_restore(event).await,
            Self::Shutdown(event) => extension.on_shutdown(event).await,
        }
    }
}

/// A future of the user's whose panics, while it is polled and while it is dropped, become errors.
pub(crate) struct Contained<F> {
    future: Option<Pin<Box<F>>>,
}

impl<T, F: Future<Output = Result<T, Error>>> Contained<F> {
    pub(crate) fn new(future: F) -> Self {
        Self { future: Some(Box::pin(future)) }
    }
}

impl<T, F: Future<Output = Result<T, Error>>> Future for Contained<F> {
    type Output = Result<T, HookError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(future) = &mut self.future else { return Poll::Pending };
        let polled = contain(|| future.as_mut().poll(context));
        if let Some(caught) = caught_by_itself() {
            // Nobody else tells of it: no error comes of it, and the process's own panic hook was not called.
            say::error(format_args!("a hook caught a panic itself: {caught}"));
        }
        let outcome = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(result)) => result.map_err(fit_to_tell),
            Err(panic) => Err(panic),
        };
        let dropped = drop_contained(self.future.take());
        // The first thing that went wrong is the one to report.
        Poll::Ready(match (outcome, dropped) {
            (Ok(_), Err(panic)) => Err(panic),
            (outcome, _) => outcome,
        })
    }
}

impl<F> Drop for Contained<F> {
    fn drop(&mut self) {
        if let Err(panic) = drop_contained(self.future.take()) {
            say::error(format_args!("a hook that was dropped at its bound failed then too: {panic}"));
        }
    }
}

/// An error of the user's, unless that panics when it is told: then this is what there is to tell.
fn fit_to_tell(error: Error) -> HookError {
    match contain(|| drop(chain(&*error))) {
        Ok(()) => HookError::Failed(error),
        Err(panic) => {
            let _ = drop_contained(error);
            panic
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        panic,
        sync::{Arc, Mutex},
    };

    use tracing::{
        Event, Metadata, Subscriber,
        field::Field,
        span::{Attributes, Id, Record},
    };

    use super::*;

    struct PanicsOnDrop;
    impl Drop for PanicsOnDrop {
        fn drop(&mut self) {
            panic!("in drop");
        }
    }

    fn text<T: std::fmt::Debug>(result: Result<T, HookError>) -> String {
        result.expect_err("it panicked").to_string()
    }

    #[tokio::test]
    async fn a_panic_tells_its_text_and_its_place() {
        let result = Contained::new(async { panic!("no {}", "luck") as Result<(), Error> }).await;
        let text = text(result);
        assert!(text.starts_with("it panicked at ") && text.contains("hook.rs:"), "{text}");
        assert!(text.ends_with(": no luck"), "{text}");
    }

    #[tokio::test]
    async fn a_panic_while_the_finished_future_is_dropped_is_contained() {
        let value = PanicsOnDrop;
        let result = Contained::new(std::future::poll_fn(move |_| {
            let _ = &value;
            Poll::Ready(Ok(()))
        }));
        assert!(text(result.await).contains("in drop"));
    }

    #[test]
    fn a_panic_while_a_cancelled_future_is_dropped_is_contained() {
        let mut running = Contained::new(async {
            let _value = PanicsOnDrop;
            std::future::pending::<Result<(), Error>>().await
        });
        let mut context = Context::from_waker(std::task::Waker::noop());
        assert!(Pin::new(&mut running).poll(&mut context).is_pending());
        drop(running);
    }

    /// What is said while this is the subscriber.
    #[derive(Clone, Default)]
    struct Said(Arc<Mutex<String>>);
    impl Subscriber for Said {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }
        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }
        fn record(&self, _: &Id, _: &Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn event(&self, event: &Event<'_>) {
            event.record(&mut |_: &Field, value: &dyn std::fmt::Debug| {
                *self.0.lock().unwrap() += &format!("{value:?}\n");
            });
        }
        fn enter(&self, _: &Id) {}
        fn exit(&self, _: &Id) {}
    }

    #[tokio::test]
    async fn a_panic_that_the_hook_catches_itself_is_told_and_is_no_failure() {
        let said = Said::default();
        let _here = tracing::subscriber::set_default(said.clone());
        let result = Contained::new(async {
            assert!(panic::catch_unwind(|| panic!("a bad line")).is_err());
            Ok(())
        });
        assert!(result.await.is_ok());
        let said = said.0.lock().unwrap().clone();
        assert!(
            said.contains("caught a panic itself: it panicked at ") && said.contains("a bad line"),
            "{said}"
        );
    }

    #[tokio::test]
    async fn a_payload_that_is_no_text_is_contained() {
        let result = Contained::new(async { panic::panic_any(7) as Result<(), Error> }).await;
        assert!(text(result).contains("without a text"));
    }

    #[tokio::test]
    async fn a_payload_that_panics_when_it_is_dropped_is_contained() {
        let result = Contained::new(async { panic::panic_any(PanicsOnDrop) as Result<(), Error> }).await;
        assert!(text(result).contains("without a text"));
    }

    #[tokio::test]
    async fn an_error_that_panics_when_it_is_shown_is_told_as_that_panic() {
        #[derive(Debug)]
        struct Spiteful;
        impl std::fmt::Display for Spiteful {
            fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                panic!("no words")
            }
        }
        impl std::error::Error for Spiteful {}
        let result = Contained::new(async { Err::<(), Error>(Spiteful.into()) }).await;
        assert!(text(result).ends_with("no words"));
    }
}
