//! The guide's timelines are what the local Lambda saw: each is drawn from a life under it, in paused time, and compared
//! with the picture in `docs/`.
//!
//! `UPDATE_DOCS=1 cargo test -p lambda_extension_tests --test timelines` draws them anew.
#![cfg(unix)]

mod diary;
mod flushing;
mod life;
mod lives;
mod picture;

use std::path::{Path, PathBuf};

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

/// Compares what was drawn with what the guide shows, or replaces it.
fn compare(file: &str, drawn: &str) {
    let path = docs().join("timelines").join(file);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, drawn).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
    let shown = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        shown == drawn,
        "docs/timelines/{file} does not show what the local Lambda does now; look at the difference after \
         `UPDATE_DOCS=1 cargo test -p lambda_extension_tests --test timelines`"
    );
}

#[tokio::test(start_paused = true)]
async fn cold_start() {
    compare("cold-start.svg", &lives::cold_start().await.draw());
}

#[tokio::test(start_paused = true)]
async fn warm_invocation() {
    compare("warm-invocation.svg", &lives::warm_invocation().await.draw());
}

#[tokio::test(start_paused = true)]
async fn timeout() {
    compare("timeout.svg", &lives::timeout().await.draw());
}

#[tokio::test(start_paused = true)]
async fn shutdown() {
    compare("shutdown.svg", &lives::shutdown().await.draw());
}

#[tokio::test(start_paused = true)]
async fn snap_start() {
    compare("snap-start.svg", &lives::snap_start().await.draw());
}

#[tokio::test(start_paused = true)]
async fn managed_instances() {
    compare("managed-instances.svg", &lives::managed_instances().await.draw());
}

#[tokio::test(start_paused = true)]
async fn flush_strategies() {
    let lives = flushing::all().await;
    compare("flush-strategies.svg", &flushing::draw(&lives));
    let page = docs().join("flushing.md");
    flushing::compare_table(&page, &lives);
}
