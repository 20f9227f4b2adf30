//! No secret and no credential gets into a log, an error or a report to Lambda, at the most talkative level there is.

mod scripted;

use std::process::{Command, Output, Stdio};

use lambda_extension_tests::programs;
use scripted::{Lambda, Sender, line};
use tokio::task::spawn_blocking;

/// What is in the environment of every extension, and in what its function logs and its telemetry is sent with.
const SECRETS: [(&str, &str); 6] = [
    ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
    ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
    ("AWS_SESSION_TOKEN", "IQoJb3JpZ2luX2VjEXAMPLETOKEN"),
    ("VENDOR_API_KEY", "vendor-key-0123456789"),
    ("AUTHORIZATION", "Bearer token-of-the-customer"),
    ("COOKIE", "session=cookie-of-the-customer"),
];

/// Whoever has it can speak for the extension: `scripted` gives it out.
const EXTENSION_ID: &str = "8f60e725-45d2-4901-949c-482a936d20be";

fn program(name: &str, lambda: &str, format: &str) -> Command {
    let mut command = Command::new(programs::program(name));
    command.envs(SECRETS).env("AWS_LAMBDA_RUNTIME_API", lambda);
    command.env("AWS_LAMBDA_LOG_LEVEL", "TRACE").env("AWS_LAMBDA_LOG_FORMAT", format);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

async fn output(child: std::process::Child) -> String {
    let Output { stdout, stderr, .. } = spawn_blocking(|| child.wait_with_output())
        .await
        .expect("it does not panic")
        .expect("it is our child");
    format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr))
}

#[track_caller]
fn assert_keeps_secrets(text: &str) {
    for secret in SECRETS.iter().map(|(_, secret)| *secret).chain([EXTENSION_ID]) {
        assert!(!text.contains(secret), "it tells {secret}:\n{text}");
    }
}

#[tokio::test]
async fn a_life_with_telemetry_in_every_form_tells_none() {
    for format in ["JSON", "Text"] {
        let mut lambda = Lambda::start().await;
        let tally = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("secrets-{format}.json"));
        let mut command = program("soak-extension", &lambda.address(), format);
        let extension = command.env("TALLY", &tally).spawn().expect("it is built");
        lambda.asked(1).await;
        let port = lambda.port();
        for (name, secret) in SECRETS {
            let header = name.replace('_', "-");
            let head = format!("POST /{header} HTTP/1.1\r\nhost: x\r\n{header}: {secret}\r\n");
            let body = format!("[{},{{\"{name}\":\"{secret}\",oops}},{}]", line(secret), line(name));
            let whole = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
            let mut sender = Sender::connect(port).await;
            sender.send(whole.as_bytes()).await;
            assert_eq!(sender.status().await, Some(200));
            // Broken in its head, in its body, and too large to be taken.
            for broken in
                [format!("{header}: {secret}\r\n\r\n"), format!("{head}content-length: 999\r\n\r\n{secret}")]
            {
                Sender::connect(port).await.send(broken.as_bytes()).await;
            }
            assert_eq!(Sender::connect(port).await.post(&secret.repeat(100_000)).await, 200);
        }
        lambda.invoke("1", std::time::Duration::from_secs(60));
        let done = r#"[{"time":"2026-07-28T19:02:11.816Z","type":"platform.runtimeDone","record":{"requestId":"1"}}]"#;
        assert_eq!(Sender::connect(port).await.post(done).await, 200);
        lambda.asked(2).await;
        lambda.shutdown();
        let text = output(extension).await;
        std::fs::remove_file(&tally).expect("the extension wrote it");
        assert!(text.contains("telemetry is lost"), "it has said something: {text}");
        assert_keeps_secrets(&text);
    }
}

#[tokio::test]
async fn hooks_that_fail_and_subscriptions_that_are_refused_tell_none() {
    for misbehaviour in
        ["constructor=fail", "on_init=panic", "on_invoke=fail on_flush=panic", "on_invoke=panic"]
    {
        let lambda =
            Lambda::answering([(400, r#"{"errorType":"ValidationError","errorMessage":"no"}"#)]).await;
        let mut command = program("misbehave", &lambda.address(), "JSON");
        let extension =
            command.env("MISBEHAVE", misbehaviour).env("ON_ERROR", "exit").spawn().expect("it is built");
        lambda.invoke("1", std::time::Duration::from_secs(60));
        let text = output(extension).await;
        assert!(text.contains("failed"), "{misbehaviour} is told: {text}");
        assert_keeps_secrets(&text);
        let reports: Vec<_> = ["init", "exit"]
            .iter()
            .flat_map(|phase| lambda.calls(&format!("POST /2020-01-01/extension/{phase}/error")))
            .collect();
        assert_eq!(reports.len(), 1, "{misbehaviour}");
        assert_keeps_secrets(&reports[0].to_string());
        lambda.shutdown();
    }
    let mut lambda = Lambda::answering([(403, r#"{"errorType":"Forbidden","errorMessage":"no"}"#)]).await;
    let mut command = program("soak-extension", &lambda.address(), "Text");
    let extension = command.env("TALLY", "/dev/null").spawn().expect("it is built");
    lambda.asked(1).await;
    lambda.shutdown();
    let text = output(extension).await;
    assert!(text.contains("going on without telemetry"), "{text}");
    assert_keeps_secrets(&text);
}

/// A user name and a password in the address, and an address where nobody is.
#[tokio::test]
async fn an_address_that_cannot_be_used_is_told_without_its_password() {
    for address in [
        "http://user:vendor-key-0123456789@127.0.0.1:9001/path",
        "user:vendor-key-0123456789@h",
        "127.0.0.1:1",
    ] {
        let child = program("misbehave", address, "Text").spawn().expect("it is built");
        let text = output(child).await;
        assert!(text.contains("Error: ") && text.contains(address.rsplit('@').next().unwrap()), "{text}");
        assert_keeps_secrets(&text);
    }
}
