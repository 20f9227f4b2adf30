//! Logs on their way to moto, which acts as S3 and Firehose, out of a local Lambda that freezes the extension.

mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use lambda_extension::simulator::{ShutdownReason, Simulator};
use lambda_extension_tests::front::{Fate, Front};
use lambda_extension_tests::servers::Server;
use reqsign_core::hash::hex_sha256;
use support::{create_delivery_stream, extension, logged, simulator, Bucket};

/// How long an invocation may be held by default, and what Lambda takes to tell of its end and the machine to notice.
const HOLD: Duration = Duration::from_millis(2_000 + 500);

fn http() -> reqwest::Client {
    outward::direct(Duration::from_secs(10)).unwrap()
}

/// moto, its bucket, and what stands before it.
async fn s3(fates: &[Fate]) -> Option<(Server, Bucket, Front)> {
    let moto = Server::moto()?;
    let bucket = Bucket::create(http(), format!("http://{}", moto.address)).await;
    let front = Front::of(moto.address, fates);
    Some((moto, bucket, front))
}

/// Lets the extension live for this many invocations; none of them may be held for longer than allowed.
async fn live(simulator: &Simulator, invocations: usize) {
    for number in 0..invocations {
        let invocation = simulator.invoke(number.to_string()).await.expect_success();
        let held = invocation.longest_hold();
        assert!(held <= HOLD, "invocation {number} was held for {held:?}");
    }
}

#[tokio::test]
async fn every_line_arrives_in_s3_once_though_the_sink_fails_hangs_and_takes_without_a_word() {
    let Some((_moto, bucket, front)) = s3(&[Fate::Refuse(503), Fate::Swallow, Fate::TakeSilently]).await
    else {
        return;
    };
    let simulator = simulator().await;
    let mut command = extension();
    command.env("AWS_ENDPOINT_URL_S3", format!("http://{}", front.address));
    simulator.spawn(command);
    live(&simulator, 4).await;
    let report = simulator.shutdown(ShutdownReason::Spindown).await;
    report.expect_clean();
    assert_eq!(bucket.lines().await, logged(4), "{report}");
    let requests = front.requests();
    assert_eq!(requests.len(), 4 + 3);
    for (_, request) in requests {
        // moto takes any; AWS refuses a body that is not the one that was signed.
        assert_eq!(request.header("x-amz-content-sha256"), Some(hex_sha256(&request.body).as_str()));
    }
}

#[tokio::test]
async fn what_a_sink_that_hangs_did_not_take_goes_with_the_next_flush() {
    let Some((_moto, bucket, front)) = s3(&[Fate::Swallow; 3]).await else { return };
    let simulator = simulator().await;
    let mut command = extension();
    command.env("AWS_ENDPOINT_URL_S3", format!("http://{}", front.address));
    simulator.spawn(command);
    live(&simulator, 1).await;
    assert_eq!(bucket.keys().await, [""; 0]);
    live(&simulator, 1).await;
    let report = simulator.shutdown(ShutdownReason::Spindown).await;
    report.expect_clean();
    assert_eq!(bucket.lines().await, ["0 begins", "0 begins", "0 ends", "0 ends"], "{report}");
}

#[tokio::test]
async fn a_connection_that_died_while_frozen_costs_an_attempt_and_no_line() {
    let Some((_moto, bucket, front)) = s3(&[Fate::PassAndGo]).await else { return };
    let simulator = simulator().await;
    let mut command = extension();
    command.env("AWS_ENDPOINT_URL_S3", format!("http://{}", front.address));
    simulator.spawn(command);
    live(&simulator, 2).await;
    assert_eq!(bucket.lines().await, logged(2), "the second flush went through in time");
    assert_eq!(front.requests().len(), 2 + 1);
    simulator.shutdown(ShutdownReason::Spindown).await.expect_clean();
}

#[tokio::test]
async fn objects_are_partitioned_and_lines_say_where_they_belong() {
    let Some((_moto, bucket, front)) = s3(&[]).await else { return };
    let simulator = simulator().await;
    let mut command = extension();
    command.env("AWS_ENDPOINT_URL", format!("http://{}", front.address)).env("LOGS_PREFIX", "all of them/");
    simulator.spawn(command);
    live(&simulator, 2).await;
    let report = simulator.shutdown(ShutdownReason::Spindown).await;
    report.expect_clean();
    assert_eq!(report.freezes[0].busy, 0, "it was done when it asked for the next event: {report}");
    let shipped = bucket.shipped().await;
    let day = shipped[0]["time"].as_str().unwrap().split('T').next().unwrap();
    let keys = bucket.keys().await;
    let expected = format!("all of them/function=simulated-function/date={day}/");
    assert!(keys.iter().all(|key| key.starts_with(&expected) && key.ends_with(".ndjson.gz")), "{keys:?}");
    assert!(!keys[0].contains("/unknown/"), "the log stream is known: {keys:?}");
    let requests: BTreeSet<_> = shipped.iter().map(|line| line["request_id"].as_str().unwrap()).collect();
    assert_eq!((requests.len(), shipped.len()), (2, 4));
}

#[tokio::test]
async fn every_line_arrives_through_firehose() {
    let Some((moto, bucket, front)) = s3(&[Fate::Refuse(503)]).await else { return };
    create_delivery_stream(&http(), &format!("http://{}", moto.address)).await;
    let simulator = simulator().await;
    let mut command = extension();
    command
        .env_remove("LOGS_BUCKET")
        .env("LOGS_DELIVERY_STREAM", "my-stream")
        .env("AWS_ENDPOINT_URL_FIREHOSE", format!("http://{}", front.address));
    simulator.spawn(command);
    live(&simulator, 3).await;
    let report = simulator.shutdown(ShutdownReason::Spindown).await;
    report.expect_clean();
    assert_eq!(bucket.lines().await, logged(3), "{report}");
    assert_eq!(front.requests().len(), 3 + 1);
}

#[tokio::test]
async fn a_mistake_in_the_settings_leaves_the_function_alone() {
    for (name, value) in [("LOGS_FLUSH", "often"), ("LOGS_BUCKET", ""), ("LOGS_BACKLOG_MB", "lots")] {
        let simulator = simulator().await;
        let mut command = extension();
        command.env(name, value);
        simulator.spawn(command);
        live(&simulator, 2).await;
        let report = simulator.shutdown(ShutdownReason::Spindown).await;
        report.expect_clean();
        assert_eq!(report.shutdowns[0].extensions[0].ended, "exit code 0", "{name}: {report}");
    }
}
