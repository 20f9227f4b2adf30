//! The extension's process under the local Lambda, which freezes it between invocations.

use std::time::Duration;

use lambda_extension::simulator::{
    Builder, Function, FunctionCall, FunctionError, ShutdownReason, Simulator,
};
use serde_json::{json, Value};
use tokio::sync::watch;

use crate::support::{extension, get, Log, Moto, Signatures};

const SECRET: &str = "/secretsmanager/get?secretId=app/db";

/// A Lambda whose function asks for the secret, at the port and with the token it has been told of by then.
struct Lambda {
    simulator: Simulator,
    log: Log,
    known: watch::Sender<(String, String)>,
}

impl Lambda {
    async fn start(moto: &Moto, builder: Builder, variables: &[(&str, &str)]) -> Self {
        let (known, told) = watch::channel::<(String, String)>(Default::default());
        let function = Function::from_fn(move |_: FunctionCall| {
            let (port, token) = told.borrow().clone();
            async move {
                let (status, cache, answer) = get(&port, &token, SECRET).await;
                match status {
                    200 => Ok(json!([cache, answer["SecretString"]]).to_string().into_bytes()),
                    _ => Err(FunctionError::new("Function.NoSecret", answer.to_string())),
                }
            }
        });
        // moto may be slow on a busy machine.
        let simulator = builder.function(function).timeout(Duration::from_secs(30)).start().await;
        let (mut command, log) = extension(moto);
        command.envs(variables.iter().copied());
        simulator.spawn_as("secrets_cache", command);
        Self { simulator, log, known }
    }

    /// Waits for the extension, and tells the function where it is.
    async fn init(&mut self, session_token: &str) {
        self.simulator.init().await;
        let container_token = self.log.after("token ");
        let token = if container_token.is_empty() { session_token.to_owned() } else { container_token };
        let port = self.log.after("listening on 127.0.0.1:");
        self.known.send_replace((port, token));
    }

    /// Where the function got its secret from, and the secret.
    async fn invoke(&self) -> (String, String) {
        let invocation = self.simulator.invoke("{}").await.expect_success();
        let answer: Value = serde_json::from_slice(&invocation.response.unwrap()).unwrap();
        (answer[0].as_str().unwrap().to_owned(), answer[1].as_str().unwrap().to_owned())
    }
}

fn pair(cache: &str, secret: &str) -> (String, String) {
    (cache.to_owned(), secret.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn between_freezes_the_function_gets_the_value_and_the_next_one_when_its_time_is_over() {
    let Some(mut moto) = Moto::start(Signatures::Checked) else { return };
    let variables = [
        ("AWS_ACCESS_KEY_ID", moto.account("id")),
        ("AWS_SECRET_ACCESS_KEY", moto.account("key")),
        ("AWS_SESSION_TOKEN", moto.account("token")),
        ("SECRETS_MANAGER_TTL", "1"),
        ("SECRETS_CACHE_PREFETCH", SECRET),
    ];
    let mut lambda = Lambda::start(&moto, Simulator::builder(), &variables).await;
    let token = moto.account("token").to_owned();
    lambda.init(&token).await;
    moto.order(&json!({ "secret": "app/db", "value": "second secret" }));
    let mut answers = vec![lambda.invoke().await];
    while answers.last() != Some(&pair("miss", "second secret")) {
        answers.push(lambda.invoke().await);
    }
    let (_, earlier) = answers.split_last().unwrap();
    assert!(earlier.iter().all(|answer| *answer == pair("hit", "first secret")), "{answers:?}");
    assert_eq!(lambda.invoke().await, pair("hit", "second secret"));
    let report = lambda.simulator.shutdown(ShutdownReason::Spindown).await;
    report.expect_clean();
    assert_eq!(report.shutdowns[0].extensions[0].ended, "exit code 0", "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_restore_nothing_is_left_of_the_snapshot() {
    let Some(mut moto) = Moto::start(Signatures::Ignored) else { return };
    let variables = [("SECRETS_CACHE_PREFETCH", SECRET)];
    let mut lambda = Lambda::start(&moto, Simulator::builder().snap_start(), &variables).await;
    lambda.init("").await;
    moto.order(&json!({ "secret": "app/db", "value": "second secret" }));
    lambda.simulator.restore().await;
    // The function may be quicker than the extension, and gets then what is young enough by its time.
    let first = lambda.invoke().await;
    assert!([pair("hit", "second secret"), pair("miss", "second secret"), pair("hit", "first secret")]
        .contains(&first));
    assert_eq!(lambda.invoke().await, pair("hit", "second secret"));
    lambda.simulator.shutdown(ShutdownReason::Spindown).await.expect_clean();
}
