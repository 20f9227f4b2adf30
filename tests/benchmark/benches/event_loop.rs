//! What one invocation costs in the loop: from the event's answer to the next poll, hooks, flush decision and HTTP included.
//!
//! The extension runs in this process, in a thread of its own; Lambda is played on a socket, as in the driver.

use std::{
    thread,
    time::{Duration, Instant},
};

use criterion::{Criterion, criterion_group, criterion_main};
use lambda_extension::{Config, Error, Extension, FlushEvent, FlushStrategy, InvokeEvent};

#[path = "../src/http.rs"]
#[allow(dead_code)] // Telemetry is not delivered here.
mod http;
#[path = "../src/lambda.rs"]
#[allow(dead_code)]
mod lambda;
use lambda::{Lambda, Route};

struct Idle;

impl Extension for Idle {
    async fn on_invoke(&mut self, _: InvokeEvent) -> Result<(), Error> {
        Ok(())
    }

    async fn on_flush(&mut self, _: FlushEvent) -> Result<(), Error> {
        Ok(())
    }
}

fn turn(criterion: &mut Criterion, name: &str, flush: FlushStrategy) {
    let lambda = Lambda::open().expect("a port is free");
    let address = lambda.address().to_string();
    let extension = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let config = Config::new(&address).expect("it is an address").name("idle").flush(flush);
        runtime.block_on(config.run(Idle)).expect("it lives until SHUTDOWN");
    });
    let (_, poll) = lambda.init().expect("it registers");
    let mut poll = Some(poll);
    let mut number = 0;
    criterion.bench_function(name, |bencher| {
        bencher.iter_custom(|turns| {
            let mut taken = Duration::ZERO;
            for _ in 0..turns {
                number += 1;
                let event = lambda::invoke(number);
                let begun = Instant::now();
                poll.take().expect("it is parked").answer(&event).expect("it listens");
                let next = lambda.call(Route::Next).expect("it asks again");
                taken += next.at - begun;
                poll = Some(next);
            }
            taken
        });
    });
    poll.expect("it is parked").answer(&lambda::shutdown()).expect("it listens");
    extension.join().expect("it ends in peace");
}

fn invocation(criterion: &mut Criterion) {
    turn(criterion, "invocation, no flush", FlushStrategy::Shutdown);
    turn(criterion, "invocation, flush at its end", FlushStrategy::End);
}

criterion_group!(benches, invocation);
criterion_main!(benches);
