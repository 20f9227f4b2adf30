//! What Lambda is asked for, where telemetry is to be delivered, and what becomes of an extension whose wish is refused.

mod scripted;

use std::{net::TcpListener, sync::OnceLock, time::Duration};

use lambda_extension::{
    Config, Defaults, ErrorPolicy, Extension, ExtensionError, FlushStrategy,
    client::{Client, Subscribed},
    telemetry::{Buffering, Category, Protocol, Subscription},
};
use scripted::{Answer, Lambda, Running, SUBSCRIBE, line};
use serde_json::{Value, json};

const OK: Answer = (200, "\"OK\"");
const REFUSED: Answer = (
    400,
    r#"{"errorType":"ValidationError","errorMessage":"URI port is not provided; types should not be empty"}"#,
);
const CLOSED: Answer = (
    403,
    r#"{"errorMessage":"Telemetry API subscription is closed already","errorType":"Telemetry.SubscriptionClosed"}"#,
);
const NOT_SUPPORTED: Answer =
    (202, r#"{"errorMessage":"Telemetry API is not supported","errorType":"Telemetry.NotSupported"}"#);
const NO_ROUTE: Answer = (404, "404 page not found");
/// AWS's emulator puts messages into JSON without escaping them.
const NO_JSON: Answer = (400, r#"{"errorMessage":"unknown property "typo"","errorType":"ValidationError"}"#);
const BROKEN: Answer = (500, "");

struct Nothing;
impl Extension for Nothing {}

fn function() -> Subscription {
    Subscription::new([Category::Function])
}

/// What is asked of a Lambda that takes everything.
async fn asked(configure: impl FnOnce(Config) -> Config) -> Value {
    let lambda = Lambda::start().await;
    let config = configure(lambda.config());
    let running = Running::with(lambda, config).await;
    let calls = running.lambda.calls(SUBSCRIBE);
    assert_eq!(calls.len(), 1, "{calls:?}");
    calls.into_iter().next().expect("there is one")
}

#[tokio::test]
async fn a_subscription_says_everything_even_what_lambda_would_assume() {
    let body = asked(|config| config.telemetry(function().port(0)).flush(FlushStrategy::Shutdown)).await;
    let uri = body["destination"]["URI"].as_str().expect("it has one").to_owned();
    assert!(uri.starts_with("http://sandbox.localdomain:"), "{uri}");
    assert_eq!(
        body,
        json!({
            "schemaVersion": "2025-01-29",
            "types": ["function"],
            "buffering": { "maxItems": 10_000, "maxBytes": 262_144, "timeoutMs": 1_000 },
            "destination": { "protocol": "HTTP", "URI": uri },
        })
    );
}

#[tokio::test]
async fn strategies_that_wait_for_the_end_ask_for_platform_and_for_haste() {
    for strategy in [None, Some(FlushStrategy::End), Some(FlushStrategy::Adaptive)] {
        let body = asked(|config| {
            let config = config.telemetry(function());
            match strategy {
                Some(strategy) => config.flush(strategy),
                None => config,
            }
        })
        .await;
        assert_eq!(body["types"], json!(["platform", "function"]), "{strategy:?}");
        assert_eq!(body["buffering"]["timeoutMs"], 25, "{strategy:?}");
    }
    for strategy in [FlushStrategy::Periodic(Duration::from_secs(1)), FlushStrategy::Shutdown] {
        let body = asked(|config| config.telemetry(function()).flush(strategy)).await;
        assert_eq!(body["types"], json!(["function"]), "{strategy:?}");
        assert_eq!(body["buffering"]["timeoutMs"], 1_000, "{strategy:?}");
    }
}

#[tokio::test]
async fn buffering_that_was_set_is_asked_for_as_it_is() {
    let buffering =
        Buffering::new(1_000, 1_048_576, Duration::from_secs(30)).expect("it is within the ranges");
    let body = asked(|config| config.telemetry(function().buffering(buffering))).await;
    assert_eq!(body["buffering"], json!({ "maxItems": 1_000, "maxBytes": 1_048_576, "timeoutMs": 30_000 }));
}

#[test]
fn buffering_out_of_range_is_refused_with_the_range() {
    let ms = Duration::from_millis;
    for (result, range) in [
        (Buffering::new(999, 262_144, ms(25)), "1000 to 10000"),
        (Buffering::new(10_001, 262_144, ms(25)), "1000 to 10000"),
        (Buffering::new(1_000, 262_143, ms(25)), "262144 to 1048576"),
        (Buffering::new(1_000, 1_048_577, ms(25)), "262144 to 1048576"),
        (Buffering::new(1_000, 262_144, ms(24)), "25 to 30000"),
        (Buffering::new(1_000, 262_144, Duration::MAX), "25 to 30000"),
    ] {
        let error = result.expect_err("it is out of range").to_string();
        assert!(error.contains(range), "{error}");
    }
    for edge in [(1_000, 262_144, 25), (10_000, 1_048_576, 30_000)] {
        assert!(Buffering::new(edge.0, edge.1, ms(edge.2)).is_ok());
    }
}

#[tokio::test]
async fn platform_that_only_the_loop_asked_for_is_not_handed_on() {
    let mut running = Running::start(function()).await;
    let start = r#"{"time":"t","type":"platform.start","record":{"requestId":"1"}}"#;
    let unknown = r#"{"time":"t","type":"platform.brandNew","record":{}}"#;
    let mut sender = running.connect().await;
    assert_eq!(sender.post(&format!("[{start},{unknown}]")).await, 200);
    assert_eq!(sender.post(&format!("[{start},{},{unknown}]", line("x"))).await, 200);
    let batch = running.batch().await;
    assert_eq!(batch.iter().map(|event| event.record.kind()).collect::<Vec<_>>(), ["function"]);
    let metrics = running.handle.metrics();
    assert_eq!((metrics.batches, metrics.records, metrics.dropped_batches), (1, 1, 0));
    assert_eq!(metrics.filtered_records, 4, "the others are accounted for");
    assert_eq!(metrics.bytes, format!("[{start},{},{unknown}]", line("x")).len() as u64);
}

fn schemas(lambda: &Lambda) -> Vec<Value> {
    lambda.calls(SUBSCRIBE).into_iter().map(|body| body["schemaVersion"].clone()).collect()
}

#[tokio::test]
async fn a_refused_schema_falls_back_to_the_next() {
    let lambda = Lambda::answering([REFUSED, OK]).await;
    let config = lambda.config().telemetry(function()).on_error(ErrorPolicy::Exit);
    let running = Running::with(lambda, config).await;
    assert_eq!(schemas(&running.lambda), ["2025-01-29", "2022-12-13"]);
    let bodies = running.lambda.calls(SUBSCRIBE);
    assert_eq!(bodies[0]["destination"], bodies[1]["destination"]);
}

#[tokio::test]
async fn a_refusal_is_told_with_what_lambda_said_about_the_newest_schema() {
    let lambda = Lambda::answering([REFUSED, NO_JSON]).await;
    let text = failure(&lambda).await;
    assert_eq!(schemas(&lambda), ["2025-01-29", "2022-12-13", "2022-07-01"]);
    assert!(text.contains("400 ValidationError: URI port is not provided"), "{text}");
}

#[tokio::test]
async fn other_refusals_are_told_at_once_as_they_came() {
    for (answer, said) in [
        (CLOSED, "403 Telemetry.SubscriptionClosed: Telemetry API subscription is closed already"),
        (NO_ROUTE, "404: 404 page not found"),
        (BROKEN, "500: (an empty body)"),
    ] {
        let lambda = Lambda::answering([answer]).await;
        let text = failure(&lambda).await;
        assert!(text.contains("cannot subscribe to telemetry") && text.contains(said), "{text}");
        assert_eq!(schemas(&lambda).len(), 1);
    }
    let lambda = Lambda::answering([NO_JSON]).await;
    let text = failure(&lambda).await;
    assert!(text.contains(NO_JSON.1), "what is no JSON is shown as it came: {text}");
}

/// How an extension ends that is to end for such an error.
async fn failure(lambda: &Lambda) -> String {
    let config = lambda.config().telemetry(function()).on_error(ErrorPolicy::Exit);
    let error = config.run(Nothing).await.expect_err("it is refused");
    assert_eq!(error.error_type(), "Extension.SubscribeFailed");
    let reports = lambda.calls("POST /2020-01-01/extension/init/error");
    assert_eq!(reports.len(), 1, "it is reported to Lambda, by the route that is open");
    assert_eq!(reports[0]["errorType"], "Extension.SubscribeFailed");
    format!("{error:?}")
}

/// Under local emulators (202), and where a refusal is not to harm the function.
#[tokio::test]
async fn without_a_subscription_the_extension_runs_and_nothing_is_waited_for() {
    for answer in [NOT_SUPPORTED, REFUSED, CLOSED, NO_ROUTE, NO_JSON, BROKEN] {
        let lambda = Lambda::answering([answer]).await;
        let config = lambda.config().telemetry(function()).flush(FlushStrategy::End);
        let mut running = Running::with(lambda, config).await;
        for number in 0..3 {
            running.lambda.invoke(&number.to_string(), Duration::from_secs(60));
            running.lambda.asked(number + 2).await;
        }
        let metrics = running.handle.metrics();
        assert_eq!(
            (metrics.invocations, metrics.flushed, metrics.missed_runtime_done),
            (3, 3, 0),
            "{answer:?}"
        );
        running.lambda.shutdown();
        running.ended.await.expect("it does not panic").expect("it ends well");
    }
}

#[tokio::test]
async fn an_emulator_without_telemetry_is_no_error_for_exit_either() {
    let lambda = Lambda::answering([NOT_SUPPORTED]).await;
    let config = lambda.config().telemetry(function()).on_error(ErrorPolicy::Exit);
    let running = Running::with(lambda, config).await;
    running.lambda.shutdown();
    running.ended.await.expect("it does not panic").expect("it ends well");
}

#[tokio::test]
async fn the_client_alone_subscribes_with_explicit_buffering_too() {
    let lambda = Lambda::start().await;
    let client = Client::new(&lambda.address()).expect("it is an address");
    let registration = client.register("x", &[]).await.expect("it is taken");
    let subscription = Subscription::new([Category::Extension]).protocol(Protocol::Tcp);
    let subscribed =
        client.subscribe(&registration.extension_id, &subscription, 4243).await.expect("it is taken");
    assert_eq!(subscribed, Subscribed::Delivering);
    let body = lambda.calls(SUBSCRIBE).remove(0);
    assert_eq!(body["destination"], json!({ "protocol": "TCP", "port": 4243 }));
    assert_eq!(body["buffering"], json!({ "maxItems": 10_000, "maxBytes": 262_144, "timeoutMs": 1_000 }));
}

/// The legacy API: another route and other schemas, the same body and the same answers.
#[tokio::test]
async fn the_client_subscribes_to_the_logs_api() {
    const LOGS: &str = "PUT /2020-08-15/logs";
    const INVALID: Answer = (
        400,
        r#"{"errorType":"Logs.ValidationError","errorMessage":"URI port is not provided; types should not be empty"}"#,
    );
    const NO_LOGS: Answer =
        (202, r#"{"errorMessage":"Logs API is not supported","errorType":"Logs.NotSupported"}"#);
    let all = Subscription::new([Category::Platform, Category::Function, Category::Extension]);
    let subscribe = async |answers: &[Answer]| {
        let lambda = Lambda::answering(answers.iter().copied()).await;
        let client = Client::new(&lambda.address()).expect("it is an address");
        let registration = client.register("x", &[]).await.expect("it is taken");
        let subscribed = client.subscribe_logs(&registration.extension_id, &all, 4243).await;
        assert_eq!(lambda.calls(SUBSCRIBE), [] as [Value; 0], "the two exclude each other");
        (subscribed, lambda.calls(LOGS))
    };

    let (subscribed, bodies) = subscribe(&[OK]).await;
    assert_eq!(subscribed.expect("it is taken"), Subscribed::Delivering);
    assert_eq!(
        bodies,
        [json!({
            "schemaVersion": "2021-03-18",
            "types": ["platform", "function", "extension"],
            "buffering": { "maxItems": 10_000, "maxBytes": 262_144, "timeoutMs": 1_000 },
            "destination": { "protocol": "HTTP", "URI": "http://sandbox.localdomain:4243" },
        })]
    );
    let (subscribed, bodies) = subscribe(&[INVALID, OK]).await;
    assert_eq!(subscribed.expect("it is taken"), Subscribed::Delivering);
    assert_eq!(bodies[1]["schemaVersion"], "2020-08-15");
    let (subscribed, bodies) = subscribe(&[NO_LOGS]).await;
    assert_eq!((subscribed.expect("it is no error"), bodies.len()), (Subscribed::NotSupported, 1));
    let (subscribed, _) = subscribe(&[INVALID]).await;
    let text = format!("{:?}", subscribed.expect_err("it is refused"));
    assert!(text.contains("400 Logs.ValidationError: URI port is not provided"), "{text}");
    // Managed Instances have no such route.
    let (subscribed, _) = subscribe(&[NO_ROUTE]).await;
    assert!(format!("{:?}", subscribed.expect_err("it is refused")).contains("404"));
}

#[tokio::test]
async fn a_default_port_that_is_taken_gives_way_to_another() {
    // Whoever has the default port, this test or somebody else: it is taken.
    let _taken = TcpListener::bind("0.0.0.0:4327");
    let mut running = Running::start(function()).await;
    assert_ne!(running.lambda.port(), 4327);
    running.settle().await;
}

#[tokio::test]
async fn a_port_that_was_asked_for_and_is_taken_ends_the_extension_only_under_exit() {
    let taken = TcpListener::bind("0.0.0.0:0").expect("a port is free");
    let port = taken.local_addr().expect("it is bound").port();
    let lambda = Lambda::start().await;
    let config = lambda.config().telemetry(function().port(port));
    let error = config.clone().on_error(ErrorPolicy::Exit).run(Nothing).await.expect_err("the port is taken");
    assert!(matches!(error, ExtensionError::Listen { .. }), "{error:?}");
    assert!(error.to_string().contains(&format!("0.0.0.0:{port}")), "{error}");

    let mut running = Running::with(lambda, config).await;
    assert_eq!(running.lambda.calls(SUBSCRIBE), [] as [Value; 0], "there is nothing to deliver to");
    running.lambda.invoke("1", Duration::from_secs(60));
    running.lambda.asked(2).await;
}

/// What the type of extension asks for is known only when it is run, and by then it is registered.
#[tokio::test]
async fn a_taken_port_that_the_type_asks_for_is_reported_to_lambda_under_exit() {
    static TAKEN: OnceLock<TcpListener> = OnceLock::new();
    struct Typed;
    impl Extension for Typed {
        fn defaults() -> Defaults {
            let taken = TAKEN.get_or_init(|| TcpListener::bind("0.0.0.0:0").expect("a port is free"));
            let port = taken.local_addr().expect("it is bound").port();
            Defaults::default().telemetry(function().port(port))
        }
    }
    let lambda = Lambda::start().await;
    let registered = lambda.config().on_error(ErrorPolicy::Exit).register().await.expect("it is taken");
    let error = registered.run(Typed).await.expect_err("the port is taken");
    assert!(matches!(error, ExtensionError::Listen { .. }), "{error:?}");
    let reports = lambda.calls("POST /2020-01-01/extension/init/error");
    assert_eq!(reports.len(), 1, "{reports:?}");
    assert_eq!(reports[0]["errorType"], "Extension.ListenFailed");
}

#[tokio::test]
async fn a_port_that_was_asked_for_is_the_one_that_is_used() {
    let free = TcpListener::bind("0.0.0.0:0").expect("a port is free");
    let port = free.local_addr().expect("it is bound").port();
    drop(free);
    let mut running = Running::start(function().port(port)).await;
    assert_eq!(running.lambda.port(), port);
    running.settle().await;
}
