//! The HTTP endpoint that the function asks, in the words of AWS's own extension.

use std::{convert::Infallible, sync::Arc, time::Duration};

use http_body_util::Full;
use hyper::{
    body::{Body, Bytes},
    header::{HeaderValue, CONTENT_TYPE},
    server::conn::http1,
    service::service_fn,
    Method, Request, Response, StatusCode,
};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpListener;
use tracing::debug;

use crate::{
    cache::{Cache, Freshness, Source},
    failure::Failure,
    wanted::{Mistake, Wanted},
};

/// Only the function knows what is in it. A request that somebody talked the function's HTTP client into has it not.
const TOKEN_HEADER: &str = "x-aws-parameters-secrets-token";

/// Serves for as long as the process lives. Each connection waits for its own value only.
pub(crate) async fn serve<S: Source>(listener: TcpListener, cache: Arc<Cache<S>>, token: String) {
    let token: Arc<str> = token.into();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors, usually: there may be some again in a while.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let (cache, token) = (Arc::clone(&cache), Arc::clone(&token));
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let (cache, token) = (Arc::clone(&cache), Arc::clone(&token));
                async move { Ok::<_, Infallible>(answer(&request, &cache, &token).await) }
            });
            if let Err(error) = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await {
                debug!("a connection of the function's broke: {error}");
            }
        });
    }
}

async fn answer<S: Source, B: Body>(
    request: &Request<B>,
    cache: &Cache<S>,
    token: &str,
) -> Response<Full<Bytes>> {
    if request.headers().get(TOKEN_HEADER).map(HeaderValue::as_bytes) != Some(token.as_bytes()) {
        return error(
            StatusCode::UNAUTHORIZED,
            "the header X-Aws-Parameters-Secrets-Token must have the value of AWS_SESSION_TOKEN (with SnapStart, of AWS_CONTAINER_AUTHORIZATION_TOKEN)",
        );
    }
    if request.method() != Method::GET {
        return error(StatusCode::METHOD_NOT_ALLOWED, "values are only read here: use GET");
    }
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let wanted = match Wanted::parse(path) {
        Ok(wanted) => wanted,
        Err(Mistake::Route) => return error(StatusCode::NOT_FOUND, "there is no such route"),
        Err(Mistake::Query(sentence)) => return error(StatusCode::BAD_REQUEST, &sentence),
    };
    match cache.get(&wanted).await {
        Ok((body, freshness)) => {
            debug!("{wanted}: {freshness:?}");
            let mut response = json(StatusCode::OK, body);
            let word = match freshness {
                Freshness::Hit => "hit",
                Freshness::Miss => "miss",
                Freshness::Stale => "stale",
            };
            response.headers_mut().insert("x-cache", HeaderValue::from_static(word));
            response
        }
        Err(Failure::Refused { status, body, .. }) => {
            json(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST), body)
        }
        Err(Failure::Unavailable(sentence)) => error(StatusCode::BAD_GATEWAY, &sentence),
    }
}

fn json(status: StatusCode, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn error(status: StatusCode, sentence: &str) -> Response<Full<Bytes>> {
    json(status, json!({ "message": sentence }).to_string().into())
}
