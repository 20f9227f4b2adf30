//! Where something runs out: descriptors, the disk, memory, time.

use std::time::Duration;

use lambda_extension::simulator::Simulator as LocalLambda;
use lambda_extension_tests::process::Process;

use crate::{
    listener::try_post,
    process::{Misbehaviour, emulated, simulated, simulated_while},
    scripted::batch,
    table::{Idle, Lambda::*, PHASES, Promise, Table},
};

#[test]
fn what_runs_out() {
    let mut table = Table::new("limits", Promise::Answers, 8);

    table.fault("no descriptors are left");
    for phase in PHASES {
        let misbehaviour = Misbehaviour::new(phase, "descriptors").once().env("LIMIT_FILES", "64");
        let again = misbehaviour.clone();
        // A delivery that needs a new connection is not accepted, and Lambda tries again later.
        table.seen(phase, Simulator, move || simulated(&misbehaviour).of_what_is_accepted());
        if phase != Idle {
            table.seen(phase, Emulator, move || emulated(&again));
        }
    }

    for (fault, redirected) in [
        ("standard error and output are full", ">/dev/full 2>&1"),
        ("standard error and output are closed", ">&- 2>&-"),
        ("nobody reads standard error and output", "> >(true) 2>&1"),
    ] {
        table.fault(fault);
        for phase in PHASES {
            // There is something to say: the hook fails.
            let misbehaviour = Misbehaviour::new(phase, "fail").redirected(redirected);
            let again = misbehaviour.clone();
            table.seen(phase, Simulator, move || simulated(&misbehaviour));
            if phase != Idle {
                table.seen(phase, Emulator, move || emulated(&again));
            }
        }
    }

    table.fault("128 MB of memory, and a flood");
    for phase in PHASES {
        table.seen(phase, Simulator, move || simulated_while(phase, Some(MEMORY), flood));
    }

    table.fault("frozen in the middle");
    for phase in PHASES {
        table.seen(phase, Simulator, move || simulated_while(phase, None, freeze));
    }
    table.check();
}

/// In MB, for all that the process has mapped: less than a function of 128 MB leaves to its extensions.
const MEMORY: &str = "128";

/// Twice what the queue holds, at once.
async fn flood(simulator: &LocalLambda, _: Process) -> u64 {
    let Some(port) = simulator.telemetry_port("misbehave") else { return 0 };
    let batch = batch(&"a".repeat(256 << 10));
    let deliveries: Vec<_> = (0..32)
        .map(|_| {
            let batch = batch.clone();
            tokio::spawn(async move { try_post(port, &batch).await })
        })
        .collect();
    let mut accepted = 0;
    for delivery in deliveries {
        accepted += delivery.await.expect("it does not panic");
    }
    accepted
}

/// Stopped for a while, as Lambda does with everybody between two invocations. Here it happens while a hook runs.
async fn freeze(_: &LocalLambda, process: Process) -> u64 {
    process.stop();
    tokio::time::sleep(Duration::from_millis(300)).await;
    process.go_on();
    0
}
