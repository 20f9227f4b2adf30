//! The program `layer`, run on binaries that are at hand: itself, and itself as if it were built for another processor.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use zip::ZipArchive;

/// What an ELF file says it is built for.
const X86_64: u8 = 62;
const AARCH64: u8 = 183;

/// A binary called `name` for a processor, in a folder of its own.
fn binary(folder: &Path, name: &str, machine: u8) -> PathBuf {
    let mut bytes = fs::read(env!("CARGO_BIN_EXE_layer")).unwrap();
    bytes[18] = machine;
    let path = folder.join(machine.to_string()).join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, bytes).unwrap();
    path
}

fn layer(out: &Path, binaries: &[&Path], options: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_layer"));
    command.arg("--out").arg(out).args(options).args(binaries).output().unwrap()
}

/// The files of an archive with their modes.
fn files(archive: &Path) -> Vec<(String, u32)> {
    let mut archive = ZipArchive::new(File::open(archive).unwrap()).unwrap();
    let mut files = Vec::new();
    for index in 0..archive.len() {
        let file = archive.by_index(index).unwrap();
        files.push((file.name().unwrap().into_owned(), file.unix_mode().unwrap() & 0o7777));
    }
    files
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_layer_for_one_architecture_is_the_binary_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    for (machine, architecture) in [(X86_64, "x86_64"), (AARCH64, "arm64")] {
        let binary = binary(folder.path(), "watcher", machine);
        let run = layer(folder.path(), &[&binary], &[]);
        let said = text(&run.stdout);
        assert!(run.status.success(), "{}", text(&run.stderr));
        assert!(said.contains(&format!("a layer for {architecture}, ")), "{said}");
        assert!(said.contains(" of 250 MB unpacked"), "{said}");
        assert_eq!(said.contains("has debug information"), cfg!(debug_assertions), "{said}");
        let archive = folder.path().join(format!("watcher-{architecture}.zip"));
        assert_eq!(files(&archive), [("extensions/watcher".to_owned(), 0o755)]);
        let mut packed = Vec::new();
        let mut opened = ZipArchive::new(File::open(&archive).unwrap()).unwrap();
        opened.by_index(0).unwrap().read_to_end(&mut packed).unwrap();
        assert!(packed == fs::read(&binary).unwrap(), "what is packed is the binary, byte for byte");
    }
}

#[test]
fn a_layer_for_both_starts_a_script_and_has_the_binaries_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let [arm, x86] = [AARCH64, X86_64].map(|machine| binary(folder.path(), "watcher", machine));
    let run = layer(folder.path(), &[&arm, &x86], &[]);
    assert!(run.status.success(), "{}", text(&run.stderr));
    assert!(text(&run.stdout).contains("a layer for x86_64 and arm64, "), "{}", text(&run.stdout));
    let archive = folder.path().join("watcher.zip");
    let names = ["extensions/watcher", "watcher/x86_64/watcher", "watcher/aarch64/watcher"];
    assert_eq!(files(&archive), names.map(|name| (name.to_owned(), 0o755)));
    let before = fs::read(&archive).unwrap();
    layer(folder.path(), &[&x86, &arm], &[]);
    assert!(before == fs::read(&archive).unwrap(), "the same binaries give the same archive");
}

#[test]
fn what_would_not_start_is_refused_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let [x86, riscv] = [X86_64, 243].map(|machine| binary(folder.path(), "watcher", machine));
    let other = binary(folder.path(), "other", AARCH64);
    let script = folder.path().join("script");
    fs::write(&script, "#!/bin/sh\n").unwrap();
    let cases: [(&[&Path], &str); 5] = [
        (&[&x86, &x86], "both binaries are built for x86_64"),
        (&[&x86, &other], "called watcher and other; Lambda knows an extension by its file name"),
        (&[&riscv], "a processor that Lambda does not have"),
        (&[&script], "no program for 64-bit Linux"),
        (&[&folder.path().join("none")], "it cannot be read"),
    ];
    for (binaries, reason) in cases {
        let run = layer(folder.path(), binaries, &[]);
        assert_eq!(run.status.code(), Some(1), "{binaries:?}");
        assert!(text(&run.stderr).contains(reason), "{binaries:?}: {}", text(&run.stderr));
    }
    let made = fs::read_dir(folder.path())
        .unwrap()
        .filter_map(|entry| entry.unwrap().path().extension().map(ToOwned::to_owned));
    assert_eq!(made.count(), 0, "nothing is written for what is refused");
}
