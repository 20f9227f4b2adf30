//! Makes a Lambda layer from the release binaries of an extension: `cargo run -p layer -- BINARY [BINARY]`.
//!
//! For one architecture `cargo lambda build --extension --output-format zip` packs just as well. What this adds are the
//! questions asked before the upload, when an answer is cheap: is this a program for Lambda's processors, does Lambda's
//! glibc have what it needs, does the layer fit. And it packs the binaries of both architectures into one layer.

mod archive;
mod binary;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, ValueEnum};

use crate::archive::Layer;
use crate::binary::{Binary, Glibc};

/// Makes a layer, NAME-x86_64.zip or NAME-arm64.zip, from a release binary; NAME.zip for both from two.
#[derive(Debug, Parser)]
#[command(name = "layer", version)]
struct Options {
    /// The release binary, or those for both architectures. The extension has the name of the file.
    #[arg(required = true, num_args = 1..=2)]
    binaries: Vec<PathBuf>,

    /// The Amazon Linux that the function runs on: 2023 since Python 3.12, Node.js 20 and `provided.al2023`, 2 before.
    #[arg(long, value_name = "VERSION", default_value = "2023")]
    amazon_linux: AmazonLinux,

    /// A script that the function's AWS_LAMBDA_EXEC_WRAPPER is to name; it becomes /opt/wrappers/NAME.
    #[arg(long, value_name = "FILE")]
    wrapper: Option<PathBuf>,

    /// The folder for the layer.
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    out: PathBuf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum AmazonLinux {
    #[value(name = "2")]
    Two,
    #[value(name = "2023")]
    TwentyThree,
}

impl AmazonLinux {
    fn name(self) -> &'static str {
        match self {
            Self::Two => "Amazon Linux 2",
            Self::TwentyThree => "Amazon Linux 2023",
        }
    }

    /// The C library that comes with it.
    fn glibc(self) -> Glibc {
        match self {
            Self::Two => Glibc(2, 26),
            Self::TwentyThree => Glibc(2, 34),
        }
    }
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("layer: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), String> {
    let mut binaries = Vec::new();
    for path in &options.binaries {
        let binary = Binary::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
        check(path, &binary, options.amazon_linux)?;
        binaries.push(binary);
    }
    let name = name(&options.binaries)?;
    let wrapper = options.wrapper.as_deref().map(read_script).transpose()?;
    let layer = Layer::new(&name, binaries, wrapper).map_err(|error| error.to_string())?;
    let path = options.out.join(layer.file_name());
    let packed =
        layer.write(&path).map_err(|error| format!("{} cannot be written: {error}", path.display()))?;
    println!("{}: {layer}, {} MB packed", path.display(), archive::megabytes(packed));
    Ok(())
}

/// Says what a binary is, and refuses one that could not start.
fn check(path: &Path, binary: &Binary, amazon_linux: AmazonLinux) -> Result<(), String> {
    let (path, there) = (path.display(), amazon_linux.glibc());
    let megabytes = archive::megabytes(binary.bytes.len() as u64);
    match binary.glibc {
        None => println!("{path}: {}, {megabytes} MB, needs no glibc", binary.architecture),
        Some(needed) if needed <= there => println!(
            "{path}: {}, {megabytes} MB, needs glibc {needed}; {} has {there}",
            binary.architecture,
            amazon_linux.name()
        ),
        Some(needed) => {
            return Err(format!(
                "{path} needs glibc {needed}, and {} has {there}, so it would not start there; build it with \
                 `cargo lambda build --release --extension --target {}-unknown-linux-gnu.{there}`",
                amazon_linux.name(),
                binary.architecture.uname()
            ));
        }
    }
    if binary.has_debug_information {
        println!("{path}: has debug information, which Lambda has no use for; build it with `--release`, and strip it");
    }
    for library in binary.libraries_lambda_may_lack() {
        println!("{path}: needs {library} too, which Lambda may not have; a layer can bring it in lib/");
    }
    Ok(())
}

/// A script, which the kernel only starts when its first line says by what.
fn read_script(path: &Path) -> Result<Vec<u8>, String> {
    let script = fs::read(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    if script.starts_with(b"#!") {
        Ok(script)
    } else {
        Err(format!(
            "{} is no script: it does not begin with `#!`, such as `#!/bin/sh`, so Lambda could not start it",
            path.display()
        ))
    }
}

/// The file name, which has to be the same for both.
fn name(binaries: &[PathBuf]) -> Result<String, String> {
    let mut names: Vec<_> = binaries
        .iter()
        .map(|path| path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned())
        .collect();
    names.dedup();
    match <[String; 1]>::try_from(names) {
        Ok([name]) => Ok(name),
        Err(names) => Err(format!(
            "the binaries are called {}; Lambda knows an extension by its file name, so both need the same",
            names.join(" and ")
        )),
    }
}
