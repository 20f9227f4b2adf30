//! What Lambda's API does: it refuses the registration, the subscription or the poll, answers nonsense, or does not answer.

use std::time::Duration;

use lambda_extension::simulator::{Fault, Route};
use lambda_extension_tests::{Emulator as Aws, Extension, programs};

use crate::{
    life::Script,
    outcome::Outcome,
    process::{Misbehaviour, emulated},
    table::{Flush, Idle, Init, Invoke, Lambda::*, Promise, Shutdown, Table},
};

type OnRoute = fn(Route) -> Fault;

/// What Lambda can do instead of answering right.
const ANSWERS: [(&str, OnRoute); 6] = [
    ("answers 403", |route| Fault::Status(route, 403)),
    ("answers 404", |route| Fault::Status(route, 404)),
    ("answers 500", |route| Fault::Status(route, 500)),
    ("answers garbage", Fault::Garbage),
    ("answers half", Fault::Truncated),
    ("closes the connection", Fault::Drop),
];

#[test]
fn polls_that_are_refused_or_broken() {
    let mut table = Table::new("polls", Promise::Stated, 8);
    for (answer, fault) in ANSWERS {
        table.fault(format!("next {answer}"));
        table.seen(Init, Simulator, move || {
            Script::new(Init)
                .with(|script| script.builder = script.builder.clone().fault(fault(Route::Next)))
                .live()
        });
        let to_the_next_poll =
            Script::new(Idle).with(|script| script.fault_before = Some((1, fault(Route::Next))));
        table.seen(Idle, Simulator, move || to_the_next_poll.live());
        table.never(
            &[Invoke, Flush],
            "No poll is in flight: the next event is asked for when the flush is done.",
        );
        table.never(&[Shutdown], "Nothing is asked for after SHUTDOWN.");
    }
    table.check();
}

#[test]
fn registrations_that_are_refused() {
    const ONCE: &str = "An extension registers once, before all else.";
    let mut table = Table::new("registrations", Promise::Stated, 8);
    for (answer, fault) in ANSWERS {
        table.fault(format!("register {answer}"));
        table.seen(Init, Simulator, move || {
            let script = Script::new(Init);
            script.with(|script| script.builder = script.builder.clone().fault(fault(Route::Register))).live()
        });
        table.never(&[Idle, Invoke, Flush, Shutdown], ONCE);
    }
    // `protocol` words of Lambda's refusals, each brought about as an author would.
    table.fault("`ShutdownEventNotSupportedForInternalExtension`: a wrong name");
    table.seen(Init, Simulator, || named("another-name"));
    table.seen(Init, Emulator, || {
        emulated(&Misbehaviour::new(Init, "nothing").env("LAMBDA_EXTENSION_NAME", "another-name"))
    });
    table.never(&[Idle, Invoke, Flush, Shutdown], ONCE);
    table.fault("an empty name, or one with a slash");
    for name in ["", "a/b"] {
        table.seen(Init, Simulator, move || named(name));
    }
    table.never(&[Idle, Invoke, Flush, Shutdown], ONCE);
    table.fault("`ErrorInvalidEventType`: Managed Instances that do not say so");
    table.seen(Init, Simulator, || {
        Script::new(Init)
            .with(|script| {
                script.builder = script.builder.clone().managed_instances();
                script.as_if_on_demand = true;
            })
            .live()
    });
    table.never(&[Idle, Invoke, Flush, Shutdown], ONCE);
    table.fault("`Extension.TooManyExtensions`: the eleventh");
    table.seen(Init, Simulator, || Script::new(Init).with(|script| script.beside = 10).live());
    table.seen(Init, Emulator, eleventh);
    table.never(&[Idle, Invoke, Flush, Shutdown], ONCE);
    table.check();
}

/// An extension that says it is another than the one that Lambda started.
fn named(name: &'static str) -> Outcome {
    Script::new(Init).with(|script| script.name = Some(name)).live()
}

/// Ten extensions that do nothing, and ours.
fn eleventh() -> Outcome {
    let mut builder = Aws::builder().expect("the table asked whether there is one").function_timeout(2);
    for number in 0..10 {
        let bare = Extension::program(programs::program("bare-extension"));
        builder = builder.extension(bare.named(&format!("bare-{number}")));
    }
    crate::process::emulated_among(builder, &Misbehaviour::new(Init, "nothing"))
}

#[test]
fn subscriptions_that_come_to_nothing() {
    const ONCE: &str = "An extension subscribes once, in init.";
    let mut table = Table::new("subscriptions", Promise::Answers, 8);
    for (answer, fault) in ANSWERS {
        table.fault(format!("the subscription {answer}"));
        table.seen(Init, Simulator, move || {
            let script = Script::new(Init);
            let outcome = script
                .with(|script| script.builder = script.builder.clone().fault(fault(Route::Telemetry)))
                .live();
            // Lambda took that subscription, and may have delivered something before the extension gave up on it.
            match answer {
                "answers half" | "closes the connection" => outcome.none_of_what_is_accepted(),
                _ => outcome,
            }
        });
        table.never(&[Idle, Invoke, Flush, Shutdown], ONCE);
    }
    table.fault("the subscription answers 400");
    table.seen(Init, Simulator, || {
        Script::new(Init)
            .with(|script| {
                // Once for each schema.
                for _ in 0..3 {
                    script.builder = script.builder.clone().fault(Fault::Status(Route::Telemetry, 400));
                }
            })
            .live()
    });
    table.never(&[Idle, Invoke, Flush, Shutdown], ONCE);
    table.fault("the subscription answers 202, as emulators do");
    table.seen(Init, Simulator, || {
        Script::new(Init).with(|script| script.builder = script.builder.clone().without_telemetry()).live()
    });
    table.seen(Init, Emulator, || emulated(&Misbehaviour::new(Init, "nothing").env("TELEMETRY", "1")));
    table.never(&[Idle, Invoke, Flush, Shutdown], ONCE);
    table.fault("the subscription is not answered");
    table.seen(Init, Simulator, || {
        let slow = Fault::Slow(Route::Telemetry, Duration::from_secs(600));
        Script::new(Init).with(|script| script.builder = script.builder.clone().fault(slow.clone())).live()
    });
    table.never(&[Idle, Invoke, Flush, Shutdown], ONCE);
    table.fault("the port that was asked for is taken");
    table.seen(Init, Simulator, || {
        let taken = std::net::TcpListener::bind("0.0.0.0:0").expect("a port is free");
        let port = taken.local_addr().expect("it is bound").port();
        Script::new(Init).with(|script| script.port = Some(port)).live()
    });
    table.never(&[Idle, Invoke, Flush, Shutdown], ONCE);
    table.check();
}
