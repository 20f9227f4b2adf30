//! Running the user's code so that its panics are errors.

use std::{
    any::Any,
    cell::{Cell, RefCell},
    mem,
    panic::{self, AssertUnwindSafe, PanicHookInfo},
    sync::Once,
};

use crate::error::HookError;

/// Drops a value of the user's, whose destructor may panic.
pub(crate) fn drop_contained<T>(value: T) -> Result<(), HookError> {
    contain(|| drop(value))
}

/// Runs code of the user's, and turns a panic into an error that says what it said and where.
pub(crate) fn contain<T>(run: impl FnOnce() -> T) -> Result<T, HookError> {
    remember_panics();
    let outer = CONTAINING.replace(true);
    LAST_PANIC.set(None);
    // A hook that panicked may leave its extension half changed; whether to go on with it is its author's choice, who
    // has `ErrorPolicy::Exit` for the other.
    let result = panic::catch_unwind(AssertUnwindSafe(run)).map_err(|payload| {
        let error = LAST_PANIC.take().unwrap_or_else(|| panicked(&*payload, None));
        // It is the user's too. What its destructor panics with is left alone, or there would be no end to it.
        if let Err(another) = panic::catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            mem::forget(another);
        }
        error
    });
    CONTAINING.set(outer);
    result
}

/// The last panic of what [`contain`] ran just now, if that code caught it itself.
pub(crate) fn caught_by_itself() -> Option<HookError> {
    LAST_PANIC.take()
}

thread_local! {
    /// Whether this thread runs code whose panics are ours to report.
    static CONTAINING: Cell<bool> = const { Cell::new(false) };
    static LAST_PANIC: RefCell<Option<HookError>> = const { RefCell::new(None) };
}

/// Where a panic happened is known only to the process's panic hook, so we add ours before the one that is set. It
/// keeps silent about contained panics, since their error says the same, and leaves all others to the one before.
fn remember_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            // With `panic = "abort"` this is the last that is heard of the process.
            if CONTAINING.get() && cfg!(panic = "unwind") {
                let error = remembered(info);
                LAST_PANIC.set(Some(error));
            } else {
                previous(info);
            }
        }));
    });
}

fn remembered(info: &PanicHookInfo<'_>) -> HookError {
    panicked(info.payload(), info.location().map(ToString::to_string))
}

fn panicked(payload: &(dyn Any + Send), location: Option<String>) -> HookError {
    let message = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "(a panic without a text)".to_owned());
    HookError::Panicked { message, location }
}
