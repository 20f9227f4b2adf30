//! The public API is the one that is committed: whoever changes it sees what they change, and so does whoever reviews it.
//!
//! `UPDATE_API=1 cargo test -p lambda_extension_tests --test api` writes the listing anew; a line that goes away breaks somebody.

use std::path::{Path, PathBuf};

use lambda_extension_tests::programs::{cargo, workspace};
use lambda_extension_tests::{missing, pages::read};
use public_api::Builder;

#[test]
fn the_public_api_is_the_committed_one() {
    let now = match public_api() {
        Ok(api) => api,
        Err(reason) => {
            missing(&reason, "REQUIRE_API");
            return;
        }
    };
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("api/lambda_extension.txt");
    if std::env::var_os("UPDATE_API").is_some() {
        std::fs::write(&file, &now).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }
    let committed = read(&file);
    let gone: Vec<_> = committed.lines().filter(|line| !now.lines().any(|other| other == *line)).collect();
    let new: Vec<_> = now.lines().filter(|line| !committed.lines().any(|other| other == *line)).collect();
    assert!(
        gone.is_empty() && new.is_empty(),
        "the public API has changed.\nGone, which breaks its users:\n  {}\nNew:\n  {}\nIf that is meant, run this test with \
         UPDATE_API=1 and say it in CHANGELOG.md",
        gone.join("\n  "),
        new.join("\n  ")
    );
}

/// The listing, or why there is none: what rustdoc knows in machine-readable form is not stable, and a newer compiler may
/// have a form that cannot be read yet.
fn public_api() -> Result<String, String> {
    let json = rustdoc_json()?;
    let builder = Builder::from_rustdoc_json(json)
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .omit_auto_derived_impls(true);
    let api = builder.build().map_err(|error| format!("rustdoc's JSON cannot be read: {error}"))?;
    Ok(api.to_string())
}

fn rustdoc_json() -> Result<PathBuf, String> {
    // A folder of its own: pages of HTML in the same one would be built anew.
    let target = workspace().join("target/api");
    let output = cargo()
        .args(["rustdoc", "--quiet", "-p", "lambda_extension", "--lib", "--all-features", "--target-dir"])
        .arg(&target)
        .args(["--", "-Z", "unstable-options", "--output-format", "json"])
        // Lets a stable rustdoc do what is not stable yet.
        .env("RUSTC_BOOTSTRAP", "1")
        .output()
        .map_err(|error| format!("cargo does not run: {error}"))?;
    if !output.status.success() {
        return Err(format!("rustdoc gives no JSON: {}", String::from_utf8_lossy(&output.stderr)));
    }
    Ok(target.join("doc/lambda_extension.json"))
}
