//! Whether AWS would accept what is signed: moto can check signatures with botocore, as AWS's own SDK for Python makes them.

mod support;

use std::process::Command;
use std::time::Duration;

use lambda_extension::simulator::ShutdownReason;
use lambda_extension_tests::servers::Server;
use support::{create_delivery_stream, extension, logged, scope, simulator, Bucket, BUCKET};

/// moto with a user who may do everything, and his key's two halves.
struct Checked {
    http: reqwest::Client,
    url: String,
    bucket: Bucket,
    id: String,
    secret: String,
    _moto: Server,
}

impl Checked {
    async fn start() -> Option<Self> {
        let moto = Server::moto()?;
        let http = outward::direct(Duration::from_secs(10)).unwrap();
        let url = format!("http://{}", moto.address);
        let bucket = Bucket::create(http.clone(), url.clone()).await;
        create_delivery_stream(&http, &url).await;
        let iam = async |action: &str| {
            let request = http.post(format!("{url}/")).header("authorization", scope("iam"));
            let form = request.header("content-type", "application/x-www-form-urlencoded");
            let answer =
                form.body(format!("Version=2010-05-08&UserName=shipper&Action={action}")).send().await;
            answer.unwrap().error_for_status().unwrap().text().await.unwrap()
        };
        iam("CreateUser").await;
        let everything = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%7B%22Effect%22%3A%22Allow%22%2C%22Action%22%3A%22%2A%22%2C%22Resource%22%3A%22%2A%22%7D%7D";
        iam(&format!("PutUserPolicy&PolicyName=everything&PolicyDocument={everything}")).await;
        let key = iam("CreateAccessKey").await;
        let part = |name: &str| {
            let rest = key.split_once(&format!("<{name}>")).expect("a part of the key").1;
            rest.split('<').next().unwrap().to_owned()
        };
        let (id, secret) = (part("AccessKeyId"), part("SecretAccessKey"));
        Some(Self { http, url, bucket, id, secret, _moto: moto })
    }

    /// After this many requests, signatures are checked.
    async fn trust(&self, requests: u32) {
        let set = self.http.post(format!("{}/moto-api/reset-auth", self.url)).body(requests.to_string());
        set.send().await.unwrap().error_for_status().unwrap();
    }

    /// What the extension delivers with this secret while signatures are checked.
    async fn delivered(&self, mut command: Command, secret: &str) -> Vec<String> {
        let simulator = simulator().await;
        command
            .env("AWS_ENDPOINT_URL", &self.url)
            .env("AWS_ACCESS_KEY_ID", &self.id)
            .env("AWS_SECRET_ACCESS_KEY", secret)
            .env_remove("AWS_SESSION_TOKEN");
        simulator.spawn(command);
        self.trust(0).await;
        simulator.invoke("0").await.expect_success();
        simulator.shutdown(ShutdownReason::Spindown).await.expect_clean();
        self.trust(1_000).await;
        self.bucket.lines().await
    }
}

#[tokio::test]
async fn s3_accepts_the_signature_and_refuses_that_of_another_secret() {
    let Some(moto) = Checked::start().await else { return };
    assert_eq!(moto.delivered(extension(), "another").await, [""; 0]);
    assert_eq!(moto.delivered(extension(), &moto.secret).await, logged(1), "{BUCKET}");
}

#[tokio::test]
async fn firehose_accepts_the_signature_and_refuses_that_of_another_secret() {
    let Some(moto) = Checked::start().await else { return };
    let extension = || {
        let mut command = extension();
        command.env_remove("LOGS_BUCKET").env("LOGS_DELIVERY_STREAM", "my-stream");
        command
    };
    assert_eq!(moto.delivered(extension(), "another").await, [""; 0]);
    assert_eq!(moto.delivered(extension(), &moto.secret).await, logged(1));
}
