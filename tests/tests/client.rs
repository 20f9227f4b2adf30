//! The client connects to the one address it was given, and sends nothing twice.

use std::io::{BufReader, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use lambda_extension::client::Client;
use lambda_extension::{EventType, ExtensionError, NextEvent};
use lambda_extension_tests::http::Message;

/// A server that gives each connection one of these answers and closes it, and what it was asked.
fn server(answers: &'static [&'static str]) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (asked, requests) = channel();
    thread::spawn(move || {
        for answer in answers {
            let (mut connection, _) = listener.accept().unwrap();
            let request = Message::read_request(&mut BufReader::new(&connection)).unwrap().unwrap();
            asked.send(request.start_line).unwrap();
            connection.write_all(answer.as_bytes()).unwrap();
        }
    });
    (address, requests)
}

async fn register(address: &str) -> Result<String, ExtensionError> {
    let registered = Client::new(address)?.register("my-ext", &[EventType::Invoke]).await?;
    Ok(registered.extension_id.to_string())
}

#[tokio::test]
async fn an_answer_in_chunks_is_read_whole_and_a_path_stands_before_every_route() {
    let (address, requests) = server(&["HTTP/1.1 200 OK\r\nlambda-extension-identifier: 17\r\n\
          transfer-encoding: chunked\r\n\r\n3\r\n{\"f\r\n12\r\nunctionName\":\"fn\"}\r\n0\r\n\r\n"]);
    assert_eq!(register(&format!("http://{address}/.rt/fn/")).await.unwrap(), "17");
    assert_eq!(requests.recv().unwrap(), "POST /.rt/fn/2020-01-01/extension/register HTTP/1.1");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (address, requests) = server(&[
        "HTTP/1.1 307 Temporary Redirect\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nlambda-extension-identifier: 17\r\ncontent-length: 2\r\n\r\n{}",
    ]);
    let error = format!("{:?}", register(&address).await.unwrap_err());
    assert!(error.contains("answered 307"), "{error}");
    assert_eq!(requests.recv().unwrap(), "POST /2020-01-01/extension/register HTTP/1.1");
    assert!(requests.try_recv().is_err(), "nothing else was asked");
}

#[tokio::test]
async fn a_connection_that_breaks_before_the_answer_is_an_error_and_nothing_is_sent_again() {
    for broken in [&[""], &["HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{\"functionName\""]] {
        let (address, requests) = server(broken);
        let error = format!("{:?}", register(&address).await.unwrap_err());
        assert!(error.contains("cannot register") && error.contains("no answer from"), "{error}");
        assert_eq!(requests.iter().count(), 1);
    }
}

#[tokio::test]
async fn one_connection_serves_for_all_calls_however_large_an_answer_is() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let arn = "x".repeat(1 << 20);
    let invoke = format!(r#"{{"eventType":"INVOKE","requestId":"1","invokedFunctionArn":"{arn}"}}"#);
    let server = thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        let mut requests = BufReader::new(connection.try_clone().unwrap());
        for body in ["{}", &invoke, &invoke] {
            Message::read_request(&mut requests).unwrap().unwrap();
            let head = "HTTP/1.1 200 OK\r\nlambda-extension-identifier: 17\r\n";
            write!(connection, "{head}content-length: {}\r\n\r\n{body}", body.len()).unwrap();
        }
    });
    let client = Client::new(&address).unwrap();
    let id = client.register("my-ext", &[EventType::Invoke]).await.unwrap().extension_id;
    for _ in 0..2 {
        let NextEvent::Invoke(event) = client.next_event(&id).await.unwrap() else { panic!("not INVOKE") };
        assert_eq!(event.invoked_function_arn.as_str().len(), arn.len());
    }
    server.join().unwrap();
}
