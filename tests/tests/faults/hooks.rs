//! What hooks do that can be contained: under `ErrorPolicy::Continue` the function answers, whatever they return, panic with or
//! wait for.

use lambda_extension::Error;

use crate::{
    life::{Doing, Script},
    process::{Misbehaviour, emulated},
    table::{Idle, Init, Lambda::*, PHASES, Promise, Table},
};

/// What a hook does instead of its work.
type Act = fn() -> Doing<Result<(), Error>>;

#[test]
fn hooks_that_fail_panic_and_hang() {
    let mut table = Table::new("hooks", Promise::Answers, 8);
    let faults: [(&str, &str, Act); 3] = [
        ("a hook returns an error", "fail", || Box::pin(async { Err("as asked".into()) })),
        ("a hook panics", "panic", || Box::pin(async { panic!("as asked") })),
        ("a hook hangs", "hang", || Box::pin(std::future::pending())),
    ];
    for (fault, word, act) in faults {
        table.fault(fault);
        for phase in PHASES {
            table.seen(phase, Simulator, move || Script::new(phase).acting(act).live());
            if phase != Idle {
                table.seen(phase, Emulator, move || emulated(&Misbehaviour::new(phase, word)));
            }
        }
        table.seen(Init, Simulator, move || {
            Script::new(Init).acting(act).with(|script| script.constructed = true).live()
        });
    }
    for (fault, act) in UNUSUAL {
        table.fault(fault);
        for phase in PHASES {
            table.seen(phase, Simulator, move || Script::new(phase).acting(act).live());
        }
    }
    table.check();
}

/// What hooks do that is worse than it looks.
const UNUSUAL: [(&str, Act); 4] = [
    ("an error panics when it is shown", || Box::pin(async { Err(Spiteful.into()) })),
    ("an error is its own cause", || Box::pin(async { Err(Circular.into()) })),
    ("a panic's payload panics when it is dropped", || {
        Box::pin(async { std::panic::panic_any(PanicsWhenDropped) })
    }),
    ("a hook that hangs panics when it is dropped", || {
        Box::pin(async {
            let _held = PanicsWhenDropped;
            std::future::pending().await
        })
    }),
];

#[derive(Debug)]
struct Spiteful;

impl std::fmt::Display for Spiteful {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        panic!("there are no words for this error")
    }
}

impl std::error::Error for Spiteful {}

#[derive(Debug)]
struct Circular;

impl std::fmt::Display for Circular {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("see below")
    }
}

impl std::error::Error for Circular {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(self)
    }
}

struct PanicsWhenDropped;

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("dropped");
        }
    }
}
