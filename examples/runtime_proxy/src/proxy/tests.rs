//! The proxy between two sockets, so that what is on the wire, and when, is seen.

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

use super::*;

const ID: &str = "8f507cfc-3a53-4b7e-9d4c-111111111111";

/// Turns everything to upper case, and does what it is told to do.
struct Shout;

impl Hook for Shout {
    async fn event(&self, _: &str, event: Bytes) -> Result<Bytes, Error> {
        shout(event).await
    }

    async fn response(&self, request_id: &str, response: Bytes) -> Result<Bytes, Error> {
        assert_eq!(request_id, ID);
        shout(response).await
    }

    fn part(&self, _: &str, part: Bytes) -> Bytes {
        assert!(part != "panic");
        part.to_ascii_uppercase().into()
    }
}

async fn shout(text: Bytes) -> Result<Bytes, Error> {
    match &text[..] {
        b"fail" => Err("as told".into()),
        b"panic" => panic!("as told"),
        b"hang" => std::future::pending().await,
        // Longer than before.
        _ => Ok([&text.to_ascii_uppercase(), &b"!"[..]].concat().into()),
    }
}

/// Both ends of a proxy.
struct Wire {
    runtime: BufReader<TcpStream>,
    lambda: TcpListener,
}

impl Wire {
    async fn new() -> Self {
        let lambda = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let upstream = lambda.local_addr().unwrap().to_string();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(Proxy::new(Shout).serve(listener, move || upstream.clone()));
        Self { runtime: BufReader::new(TcpStream::connect(address).await.unwrap()), lambda }
    }

    async fn say(&mut self, text: &str) {
        self.runtime.write_all(text.as_bytes()).await.unwrap();
    }

    async fn upstream(&self) -> BufReader<TcpStream> {
        BufReader::new(self.lambda.accept().await.unwrap().0)
    }
}

/// A message's first line with its headers.
async fn head(stream: &mut BufReader<TcpStream>) -> String {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(stream.read_line(&mut head).await.unwrap(), 0, "the end after {head:?}");
    }
    head
}

async fn body(stream: &mut BufReader<TcpStream>, head: &str) -> String {
    let length =
        head.to_ascii_lowercase().split_once("content-length: ").unwrap().1.lines().next().unwrap().parse();
    let mut body = vec![0; length.unwrap()];
    stream.read_exact(&mut body).await.unwrap();
    String::from_utf8(body).unwrap()
}

async fn line(stream: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    stream.read_line(&mut line).await.unwrap();
    line.trim_end().to_owned()
}

fn response(text: &str) -> String {
    format!(
        "POST {INVOCATION}{ID}/response HTTP/1.1\r\nHost: x\r\nX-Mine: a\r\nContent-Length: {}\r\n\r\n{text}",
        text.len()
    )
}

/// What the runtime gets as its event where Lambda sends this.
async fn event(text: &str) -> String {
    let mut wire = Wire::new().await;
    wire.say(&format!("GET {INVOCATION}next HTTP/1.1\r\nHost: x\r\n\r\n")).await;
    let mut lambda = wire.upstream().await;
    assert!(head(&mut lambda).await.starts_with(&format!("GET {INVOCATION}next HTTP/1.1\r\n")));
    let answer = format!(
        "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: {ID}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{text}",
        text.len()
    );
    lambda.write_all(answer.as_bytes()).await.unwrap();
    let answer = head(&mut wire.runtime).await;
    assert!(answer.contains(&format!("\r\nLambda-Runtime-Aws-Request-Id: {ID}\r\n")), "{answer}");
    body(&mut wire.runtime, &answer).await
}

#[tokio::test]
async fn events_and_responses_are_what_the_hook_makes_of_them() {
    assert_eq!(event("hello").await, "HELLO!");
    let mut wire = Wire::new().await;
    wire.say(&response("bye")).await;
    let mut lambda = wire.upstream().await;
    let request = head(&mut lambda).await;
    assert!(request.contains("\r\nX-Mine: a\r\n"), "{request}");
    assert_eq!(body(&mut lambda, &request).await, "BYE!");
    lambda.write_all(b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
    let answer = head(&mut wire.runtime).await;
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    assert_eq!(body(&mut wire.runtime, &answer).await, "ok");
}

#[tokio::test]
async fn a_hook_that_fails_panics_or_hangs_changes_nothing() {
    for text in ["fail", "panic", "hang"] {
        assert_eq!(event(text).await, text);
        let mut wire = Wire::new().await;
        wire.say(&response(text)).await;
        let mut lambda = wire.upstream().await;
        let request = head(&mut lambda).await;
        assert_eq!(body(&mut lambda, &request).await, text);
    }
}

#[tokio::test]
async fn a_streamed_response_goes_on_part_by_part_with_its_trailers() {
    let mut wire = Wire::new().await;
    wire.say(&format!(
        "POST {INVOCATION}{ID}/response HTTP/1.1\r\nHost: x\r\nLambda-Runtime-Function-Response-Mode: streaming\r\n\
         Transfer-Encoding: chunked\r\nTrailer: Lambda-Runtime-Function-Error-Type\r\n\r\n5\r\nfirst\r\n"
    ))
    .await;
    let mut lambda = wire.upstream().await;
    let request = head(&mut lambda).await;
    assert!(request.contains("Lambda-Runtime-Function-Response-Mode: streaming"), "{request}");
    // It is here before there is a second.
    assert_eq!([line(&mut lambda).await, line(&mut lambda).await], ["5", "FIRST"]);
    wire.say("5\r\npanic\r\n").await;
    assert_eq!([line(&mut lambda).await, line(&mut lambda).await], ["5", "panic"]);
    wire.say("4\r\nlast\r\n0\r\nLambda-Runtime-Function-Error-Type: Function.Cut\r\n\r\n").await;
    let end =
        [line(&mut lambda).await, line(&mut lambda).await, line(&mut lambda).await, line(&mut lambda).await];
    assert_eq!(end[..3], ["4", "last", "0"]);
    assert_eq!(end[3].to_ascii_lowercase(), "lambda-runtime-function-error-type: function.cut");
}

#[tokio::test]
async fn what_no_hook_is_for_passes_as_it_is() {
    let mut wire = Wire::new().await;
    wire.say("POST /2018-06-01/runtime/init/error?a=b HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello")
        .await;
    let mut lambda = wire.upstream().await;
    let request = head(&mut lambda).await;
    assert!(request.starts_with("POST /2018-06-01/runtime/init/error?a=b HTTP/1.1\r\n"), "{request}");
    assert_eq!(body(&mut lambda, &request).await, "hello");
}

#[tokio::test]
async fn where_lambda_is_gone_the_runtime_is_told() {
    let Wire { mut runtime, lambda } = Wire::new().await;
    drop(lambda);
    runtime.write_all(format!("GET {INVOCATION}next HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await.unwrap();
    assert!(head(&mut runtime).await.starts_with("HTTP/1.1 502 "));
}
