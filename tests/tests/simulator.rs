//! The local Lambda's life, seen by extensions that speak HTTP by hand.

mod simulator_support;

use std::time::Duration;

use lambda_extension::simulator::{Fault, Function, Route, ShutdownReason, Simulator, Status};
use serde_json::json;
use simulator_support::{Connection, ID, NEXT, RawExtension};

const BOTH: [&str; 2] = ["INVOKE", "SHUTDOWN"];

#[tokio::test]
async fn an_extension_lives_from_register_to_shutdown() {
    let simulator = Simulator::start().await;
    let extension = RawExtension::register(&simulator, "watcher", &BOTH).await;
    let life = tokio::spawn(extension.live());
    let first = simulator.invoke("{\"n\":1}").await.expect_success();
    assert_eq!(first.response.as_deref(), Some(&b"{\"n\":1}"[..]));
    assert!(first.init.is_some(), "the first invocation waited for Init");
    let second = simulator.invoke("{\"n\":2}").await.expect_success();
    assert!(second.init.is_none());
    assert_eq!(second.held[0].extension, "watcher");
    let report = simulator.shutdown(ShutdownReason::Spindown).await;
    report.expect_clean();
    let events = life.await.expect("the extension ends");
    let kinds: Vec<_> = events.iter().map(|event| event["eventType"].as_str().unwrap_or_default()).collect();
    assert_eq!(kinds, ["INVOKE", "INVOKE", "SHUTDOWN"]);
    assert_eq!(events[0]["requestId"], first.request_id.as_str());
    assert_eq!(events[2]["shutdownReason"], "spindown");
    assert_eq!(report.totals.invocations, 2);
    assert_eq!(report.inits.len(), 1);
    assert_eq!(report.shutdowns[0].extensions[0].ended, "closed its connection");
}

#[tokio::test(start_paused = true)]
async fn deadlines_follow_paused_time() {
    let simulator = Simulator::builder().timeout(Duration::from_secs(60)).start().await;
    let mut extension = RawExtension::register(&simulator, "watcher", &BOTH).await;
    let began = tokio::time::Instant::now();
    // The extension never asks again, so the invocation lasts until its deadline; the clock goes there by itself.
    let (invocation, event) = tokio::join!(simulator.invoke("{}"), extension.next());
    invocation.expect_timeout();
    assert!(began.elapsed() >= Duration::from_secs(60));
    let wall =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_millis();
    let ahead = event["deadlineMs"].as_u64().expect("a number").saturating_sub(wall as u64);
    assert!((55_000..=60_000).contains(&ahead), "the deadline was stated {ahead} ms ahead");
}

#[tokio::test(start_paused = true)]
async fn an_extension_that_never_asks_holds_its_invocation_to_the_end() {
    let simulator = Simulator::builder().timeout(Duration::from_secs(60)).start().await;
    let mut extension = RawExtension::register(&simulator, "watcher", &BOTH).await;
    let (invocation, _) = tokio::join!(simulator.invoke("{}"), extension.next());
    let invocation = invocation.expect_timeout();
    assert_eq!((invocation.held[0].extension.as_str(), invocation.held[0].asked), ("watcher", None));
    assert!(invocation.longest_hold() >= Duration::from_secs(59), "{invocation}");
    assert_eq!(simulator.report().totals.held, invocation.longest_hold());
}

#[tokio::test]
async fn an_extension_that_holds_on_makes_the_invocation_longer() {
    let simulator = Simulator::start().await;
    let mut extension = RawExtension::register(&simulator, "slow", &BOTH).await;
    let life = tokio::spawn(async move {
        extension.next().await;
        tokio::time::sleep(Duration::from_millis(80)).await;
        extension.ask().await;
        extension
    });
    let invocation = simulator.invoke("{}").await.expect_success();
    assert!(invocation.longest_hold() >= Duration::from_millis(79), "{invocation:?}");
    assert!(invocation.runtime.expect("done") < Duration::from_millis(79));
    drop(life.await);
}

#[tokio::test]
async fn a_dropped_poll_is_not_noticed_and_takes_the_event_with_it() {
    let simulator = Simulator::builder().timeout(Duration::from_millis(300)).start().await;
    let mut extension = RawExtension::register(&simulator, "watcher", &BOTH).await;
    extension.ask().await;
    simulator.init().await;
    let id = extension.id.clone();
    drop(extension);
    let mut again = Connection::open(&simulator.runtime_api()).await;
    let refused = again.call("GET", NEXT, &[(ID, &id)], "").await;
    assert_eq!(refused.status(), 403);
    assert_eq!(
        refused.json()["errorMessage"],
        format!(
            "State transition from Ready to Ready failed for extension {id}. \
             Error: State transition is not allowed"
        )
    );
    simulator.invoke("{}").await.expect_timeout();
}

#[tokio::test]
async fn a_hanging_function_times_out_and_everything_starts_again() {
    let simulator = Simulator::builder().timeout(Duration::from_millis(200)).start().await;
    let extension = RawExtension::register(&simulator, "watcher", &BOTH).await;
    let old_id = extension.id.clone();
    let life = tokio::spawn(extension.live());
    simulator.invoke("{}").await.expect_success();
    simulator.timeout().await.expect_timeout();
    let events = life.await.expect("the extension ends");
    assert_eq!(events[2]["shutdownReason"], "timeout");
    let (api, revived) = (simulator.runtime_api(), simulator.invoke("{}"));
    let again = tokio::spawn(async move {
        // Lambda starts the file again; here that is the test's part. It may come before the restart was begun.
        loop {
            let mut connection = Connection::open(&api).await;
            let headers = [("Lambda-Extension-Name", "watcher")];
            let body = json!({ "events": BOTH }).to_string();
            let answer = connection.call("POST", "/2020-01-01/extension/register", &headers, &body).await;
            if answer.status() == 200 {
                let id = answer.headers[&ID.to_lowercase()].clone();
                return (id.clone(), RawExtension { connection, id }.live().await);
            }
            tokio::task::yield_now().await;
        }
    });
    let invocation = revived.await.expect_success();
    assert!(invocation.init.is_some(), "Init was repeated inside the invocation");
    let report = simulator.shutdown(ShutdownReason::Spindown).await;
    let (new_id, _) = again.await.expect("the extension ends");
    assert_ne!(new_id, old_id);
    assert_eq!(report.inits.iter().map(|init| init.phase).collect::<Vec<_>>(), ["init", "invoke"]);
}

#[tokio::test]
async fn a_crashing_function_fails_the_invocation_and_tells_extensions_so() {
    let simulator = Simulator::start().await;
    let life = tokio::spawn(RawExtension::register(&simulator, "watcher", &BOTH).await.live());
    simulator.crash().await.expect_error("Runtime.ExitError");
    let events = life.await.expect("the extension ends");
    assert_eq!(events[1]["shutdownReason"], "failure");
}

#[tokio::test]
async fn an_extension_that_returns_too_early_is_a_crash() {
    let simulator = Simulator::start().await;
    let api = simulator.runtime_api();
    let lives = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    simulator.spawn_fn("short", move || {
        let (api, first) = (api.clone(), lives.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0);
        async move {
            let mut extension = RawExtension::register_at(&api, "short", &BOTH).await;
            if first {
                extension.next().await;
                return Ok::<_, String>(());
            }
            extension.live().await;
            Ok(())
        }
    });
    simulator.invoke("{}").await.expect_error("Extension.Crash");
    simulator.invoke("{}").await.expect_success();
    let report = simulator.shutdown(ShutdownReason::Spindown).await;
    assert_eq!(report.problems.len(), 1, "{report}");
    assert!(report.problems[0].what.contains("ended before SHUTDOWN (returned)"), "{report}");
    assert_eq!(report.shutdowns.last().expect("a shutdown").extensions[0].ended, "returned");
}

#[tokio::test]
async fn an_extension_that_fails_in_init_is_tried_once_more_inside_the_invocation() {
    let simulator = Simulator::start().await;
    let api = simulator.runtime_api();
    simulator.spawn_fn("broken", move || {
        let api = api.clone();
        async move {
            let mut extension = RawExtension::register_at(&api, "broken", &BOTH).await;
            let answer = extension.report_error("init", "Extension.ConfigInvalid").await;
            assert_eq!(answer.status(), 202);
            Err("no configuration".to_owned())
        }
    });
    simulator.invoke("{}").await.expect_error("Extension.InitError");
    let report = simulator.report();
    let phases: Vec<_> = report.inits.iter().map(|init| (init.phase, init.status)).collect();
    assert_eq!(phases, [("init", Status::Error), ("invoke", Status::Error)]);
    assert_eq!(report.inits[0].extensions[0].state, "InitError");
}

#[tokio::test(start_paused = true)]
async fn who_never_registers_makes_init_time_out() {
    let simulator = Simulator::start().await;
    simulator.attach("sleeper");
    let began = tokio::time::Instant::now();
    assert_eq!(simulator.init().await, Status::Timeout);
    assert!(began.elapsed() >= Duration::from_secs(10));
    let report = simulator.report();
    assert!(report.problems[0].what.starts_with("did not register before Init timed out"), "{report}");
}

#[tokio::test(start_paused = true)]
async fn who_stays_after_shutdown_is_killed_after_two_seconds_and_blamed() {
    let simulator = Simulator::start().await;
    let api = simulator.runtime_api();
    simulator.spawn_fn("stubborn", move || {
        let api = api.clone();
        async move {
            let mut extension = RawExtension::register_at(&api, "stubborn", &BOTH).await;
            loop {
                extension.next().await;
            }
            #[expect(unreachable_code, reason = "it tells the type of the future")]
            Ok::<_, String>(())
        }
    });
    simulator.invoke("{}").await.expect_success();
    let report = simulator.shutdown(ShutdownReason::Spindown).await;
    let end = &report.shutdowns[0].extensions[0];
    assert!(end.killed && end.took >= Duration::from_secs(2), "{end:?}");
    let what: Vec<_> = report.problems.iter().map(|problem| problem.what.as_str()).collect();
    assert_eq!(
        what,
        [
            "asked for another event after SHUTDOWN; exiting is the answer to SHUTDOWN",
            "did not exit within the 2000 ms of SHUTDOWN and was killed"
        ]
    );
}

#[tokio::test]
async fn internal_extensions_are_waited_for_and_get_no_shutdown() {
    let simulator = Simulator::start().await;
    let mut inner = Connection::open(&simulator.runtime_api()).await;
    let headers = [("Lambda-Extension-Name", "inner")];
    let register = "/2020-01-01/extension/register";
    let refused = inner.call("POST", register, &headers, "{\"events\":[\"SHUTDOWN\"]}").await;
    assert_eq!(refused.json()["errorType"], "Extension.InvalidEventType");
    let mut inner = RawExtension::register_at(&simulator.runtime_api(), "inner", &["INVOKE"]).await;
    let invoked = tokio::spawn(async move {
        inner.next().await;
        inner.ask().await;
        inner
    });
    simulator.invoke("{}").await.expect_success();
    drop(invoked.await);
    let report = simulator.shutdown(ShutdownReason::Spindown).await;
    assert!(report.shutdowns[0].extensions.is_empty());
}

#[tokio::test]
async fn wrong_paths_and_methods_are_answered_as_go_does() {
    let simulator = Simulator::start().await;
    let mut connection = Connection::open(&simulator.runtime_api()).await;
    let lost = connection.call("GET", "/2020-01-01/extension/register/", &[], "").await;
    assert_eq!((lost.status(), lost.text().as_str()), (404, "404 page not found\n"));
    let method = connection.call("GET", "/2020-01-01/extension/register", &[], "").await;
    assert_eq!((method.status(), method.text().as_str()), (405, ""));
    let ping = connection.call("GET", "/2018-06-01/ping", &[], "").await;
    assert_eq!(ping.text(), "pong");
    let restore = connection.call("GET", "/2018-06-01/runtime/restore/next", &[], "").await;
    assert_eq!(restore.status(), 404, "only SnapStart has it");
}

#[tokio::test]
async fn faults_happen_once_where_they_are_asked_for() {
    let simulator = Simulator::builder().fault(Fault::Status(Route::Register, 500)).start().await;
    simulator.attach("watcher");
    let mut connection = Connection::open(&simulator.runtime_api()).await;
    let headers = [("Lambda-Extension-Name", "watcher")];
    let register = "/2020-01-01/extension/register";
    let failed = connection.call("POST", register, &headers, "{}").await;
    assert_eq!((failed.status(), failed.json()["errorType"].as_str()), (500, Some("InternalServerError")));
    simulator.inject(Fault::Drop(Route::Register));
    connection.send("POST", register, &headers, "{}").await;
    assert!(connection.receive().await.is_none(), "the connection was closed");
    let mut connection = Connection::open(&simulator.runtime_api()).await;
    let answer = connection.call("POST", register, &headers, "{}").await;
    assert_eq!(
        answer.json()["errorType"],
        "Extension.InvalidExtensionState",
        "the lost answer had its effect"
    );
    let calls: Vec<_> = simulator.calls().iter().map(|call| call.status).collect();
    assert_eq!(calls, [500, 0, 403]);
}

#[tokio::test]
#[should_panic = "expected that every fault happens, but:"]
async fn a_fault_that_never_happens_is_not_clean() {
    let simulator = Simulator::builder().fault(Fault::ClockJump(5)).start().await;
    simulator.inject(Fault::MalformedBatch);
    simulator.invoke("{}").await.expect_success();
    let report = simulator.shutdown(ShutdownReason::Spindown).await;
    // Nobody subscribed to telemetry; but no extension is to blame.
    assert_eq!(report.unused_faults, [Fault::MalformedBatch]);
    assert!(report.is_clean());
    report.expect_clean();
}

#[tokio::test]
async fn the_reason_of_an_end_can_be_the_one_that_extensions_read() {
    let simulator = Simulator::start().await;
    simulator.invoke("{}").await.expect_success();
    let report = simulator.shutdown(lambda_extension::ShutdownReason::Failure).await;
    assert_eq!(report.shutdowns[0].reason, "failure");
}

#[tokio::test(start_paused = true)]
async fn an_answer_can_be_held_back() {
    let hour = Duration::from_secs(3_600);
    let simulator = Simulator::builder().fault(Fault::Slow(Route::Register, hour)).start().await;
    let began = tokio::time::Instant::now();
    RawExtension::register(&simulator, "watcher", &BOTH).await;
    assert!(began.elapsed() >= hour);
}

#[tokio::test]
async fn a_jump_of_the_clock_is_seen_in_deadlines() {
    let simulator = Simulator::start().await;
    let mut extension = RawExtension::register(&simulator, "watcher", &BOTH).await;
    let life = tokio::spawn(async move {
        let mut deadlines = Vec::new();
        for _ in 0..2 {
            deadlines.push(extension.next().await["deadlineMs"].as_u64().expect("a number"));
        }
        extension.ask().await;
        (deadlines, extension)
    });
    simulator.invoke("{}").await.expect_success();
    simulator.inject(Fault::ClockJump(-3_600_000));
    simulator.invoke("{}").await.expect_success();
    let (deadlines, _extension) = life.await.expect("two events");
    let back = deadlines[0] - deadlines[1];
    assert!((3_500_000..=3_600_000).contains(&back), "the deadline went back by {back} ms");
}

#[tokio::test]
async fn unknown_events_and_reasons_are_sent_on_demand() {
    let simulator = Simulator::builder()
        .fault(Fault::UnknownEvent("RELOAD".to_owned()))
        .fault(Fault::UnknownReason("MOON_PHASE".to_owned()))
        .start()
        .await;
    let life = tokio::spawn(RawExtension::register(&simulator, "watcher", &BOTH).await.live());
    simulator.invoke("{}").await.expect_success();
    simulator.shutdown(ShutdownReason::Spindown).await;
    let events = life.await.expect("the extension ends");
    let kinds: Vec<_> = events.iter().map(|event| event["eventType"].as_str().unwrap_or_default()).collect();
    assert_eq!(kinds, ["RELOAD", "INVOKE", "SHUTDOWN"]);
    assert_eq!(events[2]["shutdownReason"], "MOON_PHASE");
}

#[tokio::test]
async fn managed_instances_run_many_invocations_at_once_and_send_shutdown_only() {
    let function = Function::echo().takes(Duration::from_millis(100));
    let simulator = Simulator::builder().managed_instances().function(function).start().await;
    let life = tokio::spawn(RawExtension::register(&simulator, "watcher", &["SHUTDOWN"]).await.live());
    simulator.init().await;
    let began = std::time::Instant::now();
    let (one, two, three) = tokio::join!(simulator.invoke("1"), simulator.invoke("2"), simulator.invoke("3"));
    assert!(began.elapsed() < Duration::from_millis(250), "one after the other would take 300 ms");
    for (invocation, payload) in [(one, "1"), (two, "2"), (three, "3")] {
        let invocation = invocation.expect_success();
        assert_eq!(invocation.response.as_deref(), Some(payload.as_bytes()));
    }
    simulator.shutdown(ShutdownReason::Spindown).await.expect_clean();
    let events = life.await.expect("the extension ends");
    assert_eq!(events.len(), 1);
}

#[tokio::test]
async fn managed_instances_report_a_timeout_and_replace_a_crashed_environment() {
    let simulator =
        Simulator::builder().managed_instances().timeout(Duration::from_millis(100)).start().await;
    let api = simulator.runtime_api();
    simulator.spawn_fn("watcher", move || {
        let api = api.clone();
        async move {
            RawExtension::register_at(&api, "watcher", &["SHUTDOWN"]).await.live().await;
            Ok::<_, String>(())
        }
    });
    simulator.timeout().await.expect_timeout();
    let next = simulator.invoke("{}").await.expect_success();
    assert!(next.init.is_none(), "a timeout is reported and nothing else");
    simulator.crash().await.expect_error("Runtime.ExitError");
    let next = simulator.invoke("{}").await.expect_success();
    assert!(next.init.is_some(), "the environment was replaced");
    let report = simulator.shutdown(ShutdownReason::Spindown).await;
    report.expect_clean();
    assert_eq!(
        report.shutdowns.iter().map(|one| one.reason.as_str()).collect::<Vec<_>>(),
        ["failure", "spindown"]
    );
}

#[tokio::test]
async fn an_abandoned_invocation_does_not_disturb_the_next() {
    let function = Function::echo().takes(Duration::from_millis(50));
    let simulator = Simulator::builder().function(function).start().await;
    simulator.init().await;
    let abandoned = tokio::time::timeout(Duration::from_millis(5), simulator.invoke("1")).await;
    assert!(abandoned.is_err());
    let next = simulator.invoke("2").await.expect_success();
    assert_eq!(next.response.as_deref(), Some(&b"2"[..]));
}

#[tokio::test]
async fn who_was_busy_when_the_environment_ended_asks_once_more_for_its_shutdown_and_is_not_blamed() {
    let simulator = Simulator::builder().timeout(Duration::from_millis(50)).start().await;
    let mut extension = RawExtension::register(&simulator, "busy", &BOTH).await;
    let life = async {
        let invoke = extension.next().await;
        while !simulator.journal().contains("shutdown begins: timeout") {
            tokio::task::yield_now().await;
        }
        let shutdown = extension.next().await;
        drop(extension);
        [invoke, shutdown].map(|event| event["eventType"].clone())
    };
    let (invocation, events) = tokio::join!(simulator.timeout(), life);
    invocation.expect_timeout();
    assert_eq!(events, ["INVOKE", "SHUTDOWN"]);
    simulator.report().expect_clean();
}

#[tokio::test]
async fn an_end_that_was_abandoned_is_gone_through_again_before_the_next_invocation() {
    let simulator = Simulator::builder().timeout(Duration::from_millis(50)).start().await;
    let api = simulator.runtime_api();
    simulator.spawn_fn("watcher", move || {
        let api = api.clone();
        async move {
            let mut extension = RawExtension::register_at(&api, "watcher", &BOTH).await;
            while extension.next().await["eventType"] != "SHUTDOWN" {}
            // It takes its time, in which whoever invoked loses patience.
            tokio::time::sleep(Duration::from_millis(100)).await;
            Ok::<_, String>(())
        }
    });
    simulator.init().await;
    let abandoned = tokio::select! {
        _ = simulator.timeout() => false,
        () = async {
            while !simulator.journal().contains("shutdown begins: timeout") {
                tokio::task::yield_now().await;
            }
        } => true,
    };
    assert!(abandoned);
    let next = simulator.invoke("{}").await.expect_success();
    assert!(next.init.is_some(), "the environment was replaced");
}

#[tokio::test]
async fn an_environment_that_is_over_is_not_initialised() {
    let simulator = Simulator::start().await;
    assert_eq!(simulator.init().await, Status::Success);
    simulator.shutdown(ShutdownReason::Spindown).await;
    assert_eq!(simulator.init().await, Status::Error);
}

#[tokio::test]
async fn an_extension_can_have_any_name_the_runtimes_too() {
    let simulator = Simulator::start().await;
    let life = tokio::spawn(RawExtension::register(&simulator, "runtime", &BOTH).await.live());
    simulator.invoke("{}").await.expect_success();
    simulator.shutdown(ShutdownReason::Spindown).await.expect_clean();
    assert_eq!(life.await.expect("the extension ends").len(), 2);
}

#[tokio::test]
async fn settings_at_the_end_of_their_range_are_no_trouble() {
    let simulator = Simulator::builder()
        .timeout(Duration::MAX)
        .init_timeout(Duration::MAX)
        .memory(0)
        .fault(Fault::ClockJump(i64::MAX))
        .start()
        .await;
    simulator.invoke("{}").await.expect_success();
    simulator.shutdown(ShutdownReason::Spindown).await.expect_clean();
}

#[tokio::test]
async fn a_freeze_of_what_is_frozen_already_is_none() {
    let simulator = Simulator::start().await;
    simulator.invoke("{}").await.expect_success();
    simulator.freeze();
    assert_eq!(simulator.report().totals.freezes, 1);
}

#[tokio::test]
async fn a_process_belongs_to_one_simulator() {
    let process = Function::process(std::process::Command::new("bootstrap"));
    let builder = Simulator::builder().function(process);
    let _first = builder.clone().start().await;
    let second = builder.try_start().await.expect_err("the command is taken");
    assert!(second.to_string().contains("`Function::process`"), "{second}");
}

#[tokio::test]
async fn snap_start_restores_before_the_first_invocation() {
    let simulator = Simulator::builder().snap_start().start().await;
    let life = tokio::spawn(RawExtension::register(&simulator, "watcher", &BOTH).await.live());
    assert_eq!(simulator.init().await, Status::Success);
    assert_eq!(simulator.restore().await, Status::Success);
    simulator.invoke("{}").await.expect_success();
    simulator.shutdown(ShutdownReason::Spindown).await.expect_clean();
    let events = life.await.expect("the extension ends");
    assert_eq!(events.len(), 2, "a restore is told to nobody");
}

#[tokio::test]
#[should_panic(
    expected = "expected an invocation that ends with success, but came:\n  error (Function.Sad) in "
)]
async fn a_failed_expectation_shows_the_journal() {
    let simulator = Simulator::builder().function(Function::failing("Function.Sad", "no")).start().await;
    simulator.invoke("{}").await.expect_success();
}
