//! Which hooks are called, and in which order, in each kind of environment; and the destructor, which is called last.

mod scripted;

use std::sync::{Arc, Mutex};

use lambda_extension::simulator::{Builder, Function, InitializationType, ShutdownReason, Simulator};
use lambda_extension::telemetry::{Batch, Category, Subscription};
use lambda_extension::{
    Error, ErrorPolicy, Extension, FlushEvent, InvokeEvent, Registration, RestoreEvent, ShutdownEvent,
};
use scripted::Lambda;

/// Writes down which hooks are called; telemetry only once in a row.
#[derive(Clone, Default)]
struct Diary(Arc<Mutex<Vec<&'static str>>>);

impl Diary {
    fn write(&self, hook: &'static str) -> Result<(), Error> {
        let mut written = self.0.lock().unwrap();
        if hook != "telemetry" || written.last() != Some(&"telemetry") {
            written.push(hook);
        }
        Ok(())
    }
}

impl Extension for Diary {
    async fn on_init(&mut self, _: &Registration) -> Result<(), Error> {
        self.write("init")
    }
    async fn on_invoke(&mut self, _: InvokeEvent) -> Result<(), Error> {
        self.write("invoke")
    }
    async fn on_telemetry(&mut self, _: Batch) -> Result<(), Error> {
        self.write("telemetry")
    }
    async fn on_flush(&mut self, _: FlushEvent) -> Result<(), Error> {
        self.write("flush")
    }
    async fn on_restore(&mut self, _: RestoreEvent) -> Result<(), Error> {
        self.write("restore")
    }
    async fn on_shutdown(&mut self, _: ShutdownEvent) -> Result<(), Error> {
        self.write("shutdown")
    }
}

/// Two invocations in an environment of this kind.
async fn live(builder: Builder, restored: bool) -> Vec<&'static str> {
    let simulator = builder.function(Function::echo().logs("hello")).start().await;
    let diary = Diary::default();
    let config =
        simulator.config("diary").telemetry(Subscription::new([Category::Platform, Category::Function]));
    let running = tokio::spawn(config.run(diary.clone()));
    if restored {
        simulator.restore().await;
    }
    for _ in 0..2 {
        simulator.invoke("{}").await.expect_success();
    }
    simulator.shutdown(ShutdownReason::Spindown).await.expect_clean();
    running.await.unwrap().unwrap();
    let written = diary.0.lock().unwrap();
    written.clone()
}

#[tokio::test]
async fn on_demand_hooks_come_in_the_order_of_life() {
    let hooks = live(Simulator::builder(), false).await;
    assert_eq!((hooks.first(), hooks.last()), (Some(&"init"), Some(&"shutdown")), "{hooks:?}");
    assert!(!hooks.contains(&"restore"), "{hooks:?}");
    let without_telemetry: Vec<_> = hooks.iter().filter(|hook| **hook != "telemetry").collect();
    assert_eq!(without_telemetry, [&"init", &"invoke", &"flush", &"invoke", &"flush", &"flush", &"shutdown"]);
}

#[tokio::test]
async fn a_restore_is_told_once_and_before_everything_that_follows_the_snapshot() {
    let hooks = live(Simulator::builder().initialization_type(InitializationType::SnapStart), true).await;
    assert_eq!(hooks[..2], ["init", "restore"], "{hooks:?}");
    assert_eq!(hooks.iter().filter(|hook| **hook == "restore").count(), 1, "{hooks:?}");
}

#[tokio::test]
async fn managed_instances_tell_of_no_invocation() {
    let hooks = live(Simulator::builder().managed_instances(), false).await;
    assert!(!hooks.contains(&"invoke") && !hooks.contains(&"restore"), "{hooks:?}");
    assert!(hooks.contains(&"telemetry"), "{hooks:?}");
    assert_eq!(hooks[hooks.len() - 2..], ["flush", "shutdown"]);
}

#[tokio::test]
async fn a_destructor_that_panics_changes_nothing_of_how_the_extension_ends() {
    struct Spiteful {
        fails: bool,
    }
    impl Extension for Spiteful {
        async fn on_init(&mut self, _: &Registration) -> Result<(), Error> {
            if self.fails { Err("as asked".into()) } else { Ok(()) }
        }
    }
    impl Drop for Spiteful {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }
    for fails in [false, true] {
        let lambda = Lambda::start().await;
        lambda.shutdown();
        let config = lambda.config().on_error(ErrorPolicy::Exit);
        let ended = tokio::spawn(config.run(Spiteful { fails })).await.expect("no panic gets out");
        assert_eq!(ended.is_err(), fails, "{ended:?}");
    }
}
