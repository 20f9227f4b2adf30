//! What the function gets, before and without any Lambda: moto is AWS, and checks every signature.

use std::{
    net::TcpListener,
    process::{Child, Command},
};

use serde_json::json;

use crate::support::{extension, get, Log, Moto, Signatures};

const SECRET: &str = "/secretsmanager/get?secretId=app/db";

/// The extension beside a Lambda that never answers its registration.
struct Unregistered {
    child: Child,
    log: Log,
    port: String,
    token: String,
    _lambda: TcpListener,
}

impl Unregistered {
    fn start(moto: &Moto, set: impl FnOnce(&mut Command)) -> Self {
        let lambda = TcpListener::bind("127.0.0.1:0").unwrap();
        let (mut command, mut log) = extension(moto);
        let token = moto.account("token").to_owned();
        command
            .env("AWS_LAMBDA_RUNTIME_API", lambda.local_addr().unwrap().to_string())
            .env("AWS_ACCESS_KEY_ID", moto.account("id"))
            .env("AWS_SECRET_ACCESS_KEY", moto.account("key"))
            .env("AWS_SESSION_TOKEN", &token);
        set(&mut command);
        let child = command.spawn().unwrap();
        let port = log.after("listening on 127.0.0.1:");
        Self { child, log, port, token, _lambda: lambda }
    }

    async fn get(&self, path: &str) -> (u16, String, serde_json::Value) {
        get(&self.port, &self.token, path).await
    }

    /// All that it has written, once it is dead.
    fn end(mut self) -> String {
        self.child.kill().unwrap();
        self.log.all().to_owned()
    }
}

impl Drop for Unregistered {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn the_function_gets_what_awss_extension_would_give_it() {
    let Some(mut moto) = Moto::start(Signatures::Checked) else { return };
    let extension = Unregistered::start(&moto, |_| ());
    let version = moto.account("version").to_owned();
    let parameter = "/systemsmanager/parameters/get";
    for (path, field, expected) in [
        (SECRET.to_owned(), "SecretString", "first secret"),
        (
            "/secretsmanager/get?secretId=app%2Fdb&versionStage=AWSCURRENT".to_owned(),
            "SecretString",
            "first secret",
        ),
        (format!("{SECRET}&versionId={version}"), "VersionId", &version),
    ] {
        let (status, cache, answer) = extension.get(&path).await;
        assert_eq!(
            (status, cache.as_str(), &answer[field]),
            (200, "miss", &json!(expected)),
            "{path}: {answer}"
        );
        assert_eq!(extension.get(&path).await, (200, "hit".to_owned(), answer), "{path}");
    }
    moto.order(&json!({ "parameter": "/app/url", "value": "second parameter" }));
    for (query, expected) in [
        ("name=%2Fapp%2Furl", "second parameter"),
        ("name=/app/url&label=live", "first parameter"),
        ("name=/app/url&version=1", "first parameter"),
        ("name=/app/key&withDecryption=true", "hidden parameter"),
    ] {
        let (status, _, answer) = extension.get(&format!("{parameter}?{query}")).await;
        assert_eq!((status, &answer["Parameter"]["Value"]), (200, &json!(expected)), "{query}: {answer}");
    }
    let (_, _, encrypted) = extension.get(&format!("{parameter}?name=/app/key")).await;
    assert_ne!(encrypted["Parameter"]["Value"], "hidden parameter", "nobody asked for it to be decrypted");
}

#[tokio::test]
async fn what_cannot_be_given_is_explained() {
    let Some(moto) = Moto::start(Signatures::Checked) else { return };
    let extension = Unregistered::start(&moto, |_| ());
    assert_eq!(get(&extension.port, "somebody's", SECRET).await.0, 401);
    assert_eq!(extension.get("/secretsmanager/list").await.0, 404);
    let (status, _, answer) = extension.get("/secretsmanager/get?secretID=app/db").await;
    assert_eq!(status, 400);
    assert!(answer["message"].as_str().unwrap().contains("`secretID`"), "{answer}");
    let (status, _, answer) = extension.get("/secretsmanager/get?secretId=none").await;
    // AWS says 400 here, moto 404; the function gets what was said.
    assert_eq!((status / 100, &answer["__type"]), (4, &json!("ResourceNotFoundException")), "{answer}");
    // With another key the signatures are wrong, so what was given above was signed right.
    let stranger = Unregistered::start(&moto, |command| {
        command.env("AWS_SECRET_ACCESS_KEY", "a guess").env("SECRETS_MANAGER_TIMEOUT_MILLIS", "4000");
    });
    let (status, _, answer) = stranger.get(SECRET).await;
    assert_eq!(status, 502, "{answer}");
    assert!(answer["message"].as_str().unwrap().contains("403"), "{answer}");
}

#[tokio::test]
async fn neither_secrets_nor_credentials_are_in_the_log() {
    let Some(mut moto) = Moto::start(Signatures::Checked) else { return };
    let extension = Unregistered::start(&moto, |command| {
        command.env("SECRETS_MANAGER_TTL", "0").env("SECRETS_MANAGER_TIMEOUT_MILLIS", "4000");
    });
    let key = "/systemsmanager/parameters/get?name=/app/key&withDecryption=true";
    assert_eq!(extension.get(SECRET).await.0, 200);
    assert_eq!(extension.get(key).await.0, 200);
    assert_eq!(extension.get("/secretsmanager/get?secretId=none").await.0 / 100, 4);
    moto.order(&json!({ "stop": true }));
    assert_eq!(extension.get(SECRET).await.0, 502);
    let log = extension.end();
    assert!(log.contains("TRACE") && log.contains("app/db"), "everything is logged:\n{log}");
    for hidden in
        ["first secret", "hidden parameter", moto.account("key"), moto.account("token"), "Signature="]
    {
        assert!(!log.contains(hidden), "{hidden}:\n{log}");
    }
}

#[tokio::test]
async fn while_aws_is_away_the_function_gets_what_there_was() {
    let Some(mut moto) = Moto::start(Signatures::Ignored) else { return };
    let extension = Unregistered::start(&moto, |command| {
        command.env("SECRETS_MANAGER_TTL", "1").env("SECRETS_MANAGER_TIMEOUT_MILLIS", "4000");
    });
    let (_, _, first) = extension.get(SECRET).await;
    moto.order(&json!({ "stop": true }));
    loop {
        let (status, cache, answer) = extension.get(SECRET).await;
        assert_eq!((status, &answer), (200, &first));
        if cache == "stale" {
            break;
        }
    }
}

#[test]
fn a_port_that_is_taken_is_named_and_nothing_is_registered() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let ended = Command::new(env!("CARGO_BIN_EXE_secrets_cache"))
        .env("PARAMETERS_SECRETS_EXTENSION_HTTP_PORT", &port)
        .env("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9")
        .env("AWS_REGION", "eu-central-1")
        .env("AWS_SESSION_TOKEN", "token")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("listening on port {port}: ")), "{said}");
}
