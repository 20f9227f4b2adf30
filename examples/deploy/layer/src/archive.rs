//! The archive: what Lambda unpacks into `/opt`.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::binary::{Architecture, Binary};

/// What a function and all its layers may take unpacked.
const UNPACKED_LIMIT: u64 = 250 * 1024 * 1024;

/// Lambda runs every file of `extensions/` and asks nothing of their architecture. So where a layer serves both, the
/// file there is this script, and the binaries lie beside that folder, under the name that the script has.
///
/// It runs in any POSIX shell. `exec -a`, with which a launcher can pass its name on, is bash's own.
const LAUNCHER: &str = r#"#!/bin/sh
# Becomes the program built for this processor. That program has this file's name, under which Lambda knows the extension.
name=${0##*/}
exec "${0%/*}/../$name/$(uname -m)/$name"
"#;

/// An extension's binaries, one for each architecture, and what starts the function's runtime for it, if anything does.
#[derive(Debug)]
pub(crate) struct Layer {
    name: String,
    binaries: Vec<Binary>,
    wrapper: Option<Vec<u8>>,
}

/// Why binaries make no layer.
#[derive(Debug, PartialEq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("both binaries are built for {0}; a layer for both architectures needs one of each")]
    SameArchitecture(Architecture),
    #[error("unpacked it would be {} MB, and a function with all its layers may have 250 MB", megabytes(*.0))]
    TooLarge(u64),
}

impl Layer {
    pub(crate) fn new(
        name: &str,
        mut binaries: Vec<Binary>,
        wrapper: Option<Vec<u8>>,
    ) -> Result<Self, Refused> {
        binaries.sort_by_key(|binary| binary.architecture);
        if let [one, other] = &binaries[..]
            && one.architecture == other.architecture
        {
            return Err(Refused::SameArchitecture(one.architecture));
        }
        let layer = Self { name: name.to_owned(), binaries, wrapper };
        if layer.unpacked() > UNPACKED_LIMIT {
            Err(Refused::TooLarge(layer.unpacked()))
        } else {
            Ok(layer)
        }
    }

    pub(crate) fn file_name(&self) -> String {
        match &self.binaries[..] {
            [one] => format!("{}-{}.zip", self.name, one.architecture),
            _ => format!("{}.zip", self.name),
        }
    }

    /// Writes the archive; its size. The same binaries give the same bytes: no time and no user is written down.
    pub(crate) fn write(&self, path: &Path) -> io::Result<u64> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let executable = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .unix_permissions(0o755);
        let mut zip = ZipWriter::new(File::create(path)?);
        for (name, bytes) in self.files() {
            zip.start_file(name, executable)?;
            zip.write_all(bytes)?;
        }
        Ok(zip.finish()?.metadata()?.len())
    }

    /// The files, by their path below `/opt`.
    fn files(&self) -> Vec<(String, &[u8])> {
        let name = &self.name;
        let start = format!("extensions/{name}");
        let mut files: Vec<(String, &[u8])> = match &self.binaries[..] {
            [one] => vec![(start, &one.bytes)],
            both => {
                let beside = |binary: &Binary| format!("{name}/{}/{name}", binary.architecture.uname());
                let binaries = both.iter().map(|binary| (beside(binary), &*binary.bytes));
                [(start, LAUNCHER.as_bytes())].into_iter().chain(binaries).collect()
            }
        };
        // Not in `extensions/`: Lambda would start it as one.
        files.extend(self.wrapper.as_deref().map(|wrapper| (format!("wrappers/{name}"), wrapper)));
        files
    }

    fn unpacked(&self) -> u64 {
        self.files().iter().map(|(_, bytes)| bytes.len() as u64).sum()
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let architectures: Vec<_> =
            self.binaries.iter().map(|binary| binary.architecture.to_string()).collect();
        let (architectures, unpacked) = (architectures.join(" and "), megabytes(self.unpacked()));
        write!(f, "a layer for {architectures}, {unpacked} of 250 MB unpacked")
    }
}

/// In Lambda's megabytes, of 1024 × 1024 bytes.
pub(crate) fn megabytes(bytes: u64) -> String {
    format!("{:.2}", bytes as f64 / f64::from(1 << 20))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use zip::ZipArchive;

    use super::*;

    #[test]
    fn nothing_but_the_extension_lies_where_lambda_starts_everything() {
        let folder = tempfile::tempdir().unwrap();
        let this = Binary::read(&std::env::current_exe().unwrap()).unwrap();
        let layer = Layer::new("proxy", vec![this], Some(b"#!/bin/sh\n".to_vec())).unwrap();
        let path = folder.path().join(layer.file_name());
        layer.write(&path).unwrap();
        ZipArchive::new(File::open(path).unwrap()).unwrap().extract(folder.path().join("opt")).unwrap();
        for (entry, file) in [("extensions", "proxy"), ("wrappers", "proxy")] {
            let entry = folder.path().join("opt").join(entry);
            assert_eq!(fs::read_dir(&entry).unwrap().count(), 1, "{}", entry.display());
            assert_eq!(fs::metadata(entry.join(file)).unwrap().permissions().mode() & 0o777, 0o755);
        }
    }
}
