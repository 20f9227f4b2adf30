//! Which hooks are called, and in which order, in each kind of environment; and the destructor, which is called last.

mod scripted;

use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lambda_extension::simulator::{Builder, Function, InitializationType, ShutdownReason, Simulator};
use lambda_extension::telemetry::{Batch, Category, Subscription};
use lambda_extension::{
    Config, Defaults, Error, ErrorPolicy, Extension, ExtensionError, FlushEvent, FlushReason, FlushStrategy,
    Handle, Hook, InvokeEvent, Registration, RestoreEvent, ShutdownEvent,
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

/// Never returns from this hook.
struct Hangs(Hook);

impl Hangs {
    async fn here(&self, hook: Hook) -> Result<(), Error> {
        if self.0 == hook { pending().await } else { Ok(()) }
    }
}

impl Extension for Hangs {
    async fn on_init(&mut self, _: &Registration) -> Result<(), Error> {
        self.here(Hook::OnInit).await
    }
    async fn on_invoke(&mut self, _: InvokeEvent) -> Result<(), Error> {
        self.here(Hook::OnInvoke).await
    }
    async fn on_flush(&mut self, event: FlushEvent) -> Result<(), Error> {
        if event.reason == FlushReason::Shutdown { Ok(()) } else { self.here(Hook::OnFlush).await }
    }
    async fn on_shutdown(&mut self, _: ShutdownEvent) -> Result<(), Error> {
        self.here(Hook::OnShutdown).await
    }
}

/// What is said of an extension that hangs in this hook, in an environment that is used once and shut down.
async fn said_of(hook: Hook, builder: Builder, configure: impl FnOnce(Config) -> Config) -> String {
    let simulator = builder.start().await;
    let config = configure(simulator.config("hangs")).on_error(ErrorPolicy::Exit);
    let running = tokio::spawn(config.run(Hangs(hook)));
    let using = async {
        simulator.invoke("{}").await;
        tokio::time::sleep(Duration::from_secs(30)).await;
        simulator.shutdown(ShutdownReason::Spindown).await;
    };
    let (ended, ()) = tokio::join!(running, using);
    let error: ExtensionError = ended.unwrap().unwrap_err();
    assert_eq!(error.error_type(), "Extension.HookCancelled");
    format!("{error:?}")
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_is_dropped_is_told_with_the_bound_it_met() {
    let any = Simulator::builder;
    let said = said_of(Hook::OnInit, any(), |config| config.init_timeout(Duration::from_secs(1))).await;
    assert!(
        said.starts_with("on_init failed (Extension.HookCancelled)\n")
            && said.contains("`Config::init_timeout`"),
        "{said}"
    );
    let said = said_of(Hook::OnFlush, any(), |config| config.max_hold(Duration::from_millis(50))).await;
    assert!(said.contains("`Config::max_hold`"), "{said}");
    let said = said_of(Hook::OnInvoke, any().timeout(Duration::from_secs(3)), |config| config).await;
    assert!(said.contains("the function's timeout"), "{said}");
    let said = said_of(Hook::OnShutdown, any(), |config| config).await;
    assert!(said.contains("its share of the time for SHUTDOWN"), "{said}");
    let said = said_of(Hook::OnFlush, any().managed_instances(), |config| {
        config.flush(FlushStrategy::Periodic(Duration::from_secs(5)))
    });
    let said = said.await;
    assert!(said.contains("the time of the next flush"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn a_flush_that_is_asked_for_on_managed_instances_comes_at_once() {
    struct Flushes(tokio::sync::mpsc::UnboundedSender<FlushReason>);
    impl Extension for Flushes {
        async fn on_flush(&mut self, event: FlushEvent) -> Result<(), Error> {
            Ok(self.0.send(event.reason)?)
        }
    }
    let simulator = Simulator::builder().managed_instances().start().await;
    let (sender, mut flushed) = tokio::sync::mpsc::unbounded_channel();
    let config = simulator.config("flushes").flush(FlushStrategy::Shutdown);
    let registered = config.register().await.unwrap();
    let handle: Handle = registered.registration().handle();
    let running = tokio::spawn(registered.run(Flushes(sender)));
    simulator.init().await;
    // Nobody invokes, and nothing else wakes the loop.
    handle.request_flush();
    assert_eq!(flushed.recv().await, Some(FlushReason::Requested));
    simulator.shutdown(ShutdownReason::Spindown).await.expect_clean();
    running.await.unwrap().unwrap();
    assert_eq!(flushed.recv().await, Some(FlushReason::Shutdown));
}

#[tokio::test]
async fn what_cannot_work_ends_the_extension_where_only_its_type_asks_for_it_too() {
    struct Asks;
    impl Extension for Asks {
        fn defaults() -> Defaults {
            Defaults::default().telemetry(Subscription::new([]))
        }
    }
    let lambda = Lambda::start().await;
    let registered = lambda.config().register().await.unwrap();
    let error = registered.run(Asks).await.unwrap_err();
    assert!(error.to_string().contains("the subscription to telemetry is empty"), "{error}");
    assert_eq!(lambda.calls("POST /2020-01-01/extension/init/error").len(), 1);
}

#[tokio::test]
async fn a_process_that_registers_twice_is_told_so() {
    let simulator = Simulator::start().await;
    let config = simulator.config("twice");
    let _first = config.clone().register().await.unwrap();
    let error = config.register().await.unwrap_err();
    assert!(error.to_string().contains("a process registers once"), "{error:?}");
}
