//! What is unknown, comes at the wrong time, or not at all.

use std::time::Duration;

use lambda_extension::simulator::Fault;

use crate::{
    life::Script,
    table::{Flush, Idle, Init, Invoke, Lambda::*, Phase, Promise, Shutdown, Table},
};

/// With a fault of the simulator's before each invocation.
fn with(phase: Phase, fault: Fault) -> Script {
    Script::new(phase).with(|script| script.fault_always = Some(fault))
}

#[test]
fn what_is_unknown_early_late_or_missing() {
    let mut table = Table::new("oddities", Promise::Answers, 8);

    table.fault("an event of an unknown type");
    table.seen(Idle, Simulator, || with(Idle, Fault::UnknownEvent("BRAND_NEW".to_owned())).live());
    table.never(
        &[Init, Invoke, Flush, Shutdown],
        "Events answer polls, and there is one only between two invocations.",
    );
    table.fault("a shutdown for an unknown reason");
    table.seen(Shutdown, Simulator, || with(Shutdown, Fault::UnknownReason("boredom".to_owned())).live());
    table.never(&[Init, Idle, Invoke, Flush], "Only SHUTDOWN has a reason.");

    const ENDS: &str = "It tells of the end of an invocation.";
    for (fault, odd) in [
        ("`runtimeDone` comes early", Fault::RuntimeDoneEarly),
        ("`runtimeDone` comes late", Fault::RuntimeDoneLate(Duration::from_millis(800))),
        ("`runtimeDone` comes twice", Fault::DuplicateBatch),
        ("`runtimeDone` never comes", Fault::RuntimeDoneMissing),
    ] {
        table.fault(fault);
        table.seen(Invoke, Simulator, move || with(Invoke, odd.clone()).live());
        table.never(&[Init, Idle, Flush, Shutdown], ENDS);
    }

    const CLOCK: &str = "A deadline is turned into a time of the monotonic clock when its event comes: what the wall clock does then \
                         makes no difference, and init has no deadline of Lambda's.";
    for (fault, by_ms) in
        [("the clock jumps back an hour", 3_600_000), ("the clock jumps ahead an hour", -3_600_000)]
    {
        table.fault(fault);
        // The simulator's clock jumps, and the extension's does not: the other way round for who reads a deadline.
        for phase in [Invoke, Flush, Shutdown] {
            table.seen(phase, Simulator, move || {
                let script = Script::new(phase).acting(std::future::pending);
                script.with(|script| script.fault_before = Some((0, Fault::ClockJump(by_ms)))).live()
            });
        }
        table.never(&[Init, Idle], CLOCK);
    }
    table.check();
}
