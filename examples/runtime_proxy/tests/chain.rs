//! Proxies between a real function and the local Lambda, which freezes them.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use lambda_extension::simulator::{Function, Route, ShutdownReason, Simulator};
use tempfile::TempDir;

const PROXY: &str = env!("CARGO_BIN_EXE_runtime_proxy");

fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A Lambda whose function, in Python, turns the text of its event around; with wrappers of these names before it.
struct Lambda {
    simulator: Simulator,
    files: TempDir,
}

impl Lambda {
    async fn start(wrappers: &[&str]) -> Self {
        let files = tempfile::tempdir().unwrap();
        let wrapper = |name: &&str| {
            let path = files.path().join(name);
            std::os::unix::fs::symlink(package().join("wrapper"), &path).unwrap();
            path
        };
        let mut words: Vec<PathBuf> = wrappers.iter().map(wrapper).collect();
        words.push(package().join("../../tests/foreign/function.py"));
        let mut function = Command::new(&words[0]);
        function.args(&words[1..]).env("RUNTIME_PROXY_DIR", files.path());
        let simulator = Simulator::builder().function(Function::process(function)).start().await;
        Self { simulator, files }
    }

    fn proxy(&self, name: &str, variables: &[(&str, &Path)]) {
        let mut command = Command::new(PROXY);
        command.env("LAMBDA_EXTENSION_NAME", name).env("RUNTIME_PROXY_DIR", self.files.path());
        command.envs(variables.iter().copied());
        self.simulator.spawn_as(name, command);
    }

    async fn invoke(&self, event: &str) -> String {
        let invocation = self.simulator.invoke(event).await.expect_success();
        String::from_utf8(invocation.response.unwrap()).unwrap()
    }

    /// What the wrapper of this name has found, and put its proxy before.
    fn upstream_of(&self, name: &str) -> String {
        let written = std::fs::read_to_string(self.files.path().join(format!("{name}.upstream")));
        written.unwrap().trim().to_owned()
    }

    fn address_of(&self, name: &str) -> String {
        let written = std::fs::read_to_string(self.files.path().join(format!("{name}.address")));
        written.unwrap().trim().to_owned()
    }

    async fn end(self) {
        let report = self.simulator.shutdown(ShutdownReason::Spindown).await;
        report.expect_clean();
        assert!(report.shutdowns[0].extensions.iter().all(|each| each.ended == "exit code 0"), "{report}");
    }
}

#[tokio::test]
async fn two_proxies_in_a_chain_each_do_their_part() {
    let lambda = Lambda::start(&["outer", "inner"]).await;
    lambda.proxy("inner", &[("RUNTIME_PROXY_REDACT", Path::new("nothing"))]);
    lambda.proxy("outer", &[("RUNTIME_PROXY_REDACT", Path::new("text"))]);
    for _ in 0..3 {
        assert_eq!(lambda.invoke(r#"{"text":"secret"}"#).await, r#""]detcader[""#);
    }
    // Function, inner, outer, Lambda.
    assert_eq!(lambda.upstream_of("inner"), lambda.address_of("outer"));
    assert_eq!(lambda.upstream_of("outer"), lambda.simulator.runtime_api());
    let failed = lambda.simulator.invoke(r#"{"fail":true}"#).await;
    assert_eq!(failed.error_type.as_deref(), Some("Function.Asked"));
    lambda.end().await;
}

#[tokio::test]
async fn an_event_the_hook_can_do_nothing_with_reaches_the_function() {
    let lambda = Lambda::start(&["proxy"]).await;
    lambda.proxy("proxy", &[("RUNTIME_PROXY_REDACT", Path::new("other"))]);
    assert_eq!(lambda.invoke(r#"{"text":"abc"}"#).await, r#""cba""#);
    assert_ne!(
        lambda.simulator.calls().iter().filter(|call| call.route == Some(Route::RuntimeNext)).count(),
        0
    );
    lambda.end().await;
}

#[tokio::test]
async fn without_a_proxy_that_listens_the_function_talks_to_lambda() {
    let lambda = Lambda::start(&["proxy"]).await;
    // It cannot say where it listens.
    lambda.proxy("proxy", &[("RUNTIME_PROXY_DIR", Path::new("/dev/null"))]);
    assert_eq!(lambda.invoke(r#"{"text":"abc"}"#).await, r#""cba""#);
    assert!(!lambda.files.path().join("proxy.upstream").exists());
    lambda.end().await;
}
