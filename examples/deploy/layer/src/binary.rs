//! What a binary is built for, and what it needs from where it runs.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use object::elf::{DT_NEEDED, EM_AARCH64, EM_X86_64};
use object::read::elf::{ElfFile64, FileHeader, ProgramHeader};
use object::{Endianness, Object};

/// Processors that Lambda has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Architecture {
    X86_64,
    Arm64,
}

impl Architecture {
    /// What `uname -m` says there; also how Rust's targets begin.
    pub(crate) fn uname(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Arm64 => "aarch64",
        }
    }
}

/// As Lambda writes it.
impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::X86_64 => "x86_64",
            Self::Arm64 => "arm64",
        })
    }
}

/// A version of the C library.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Glibc(pub(crate) u32, pub(crate) u32);

impl Glibc {
    /// Of a symbol version such as `GLIBC_2.34` or `GLIBC_2.2.5`.
    fn of_symbol_version(name: &[u8]) -> Option<Self> {
        let mut numbers = std::str::from_utf8(name).ok()?.strip_prefix("GLIBC_")?.split('.');
        Some(Self(numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
    }
}

impl fmt::Display for Glibc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// A program for one of Lambda's processors.
#[derive(Debug)]
pub(crate) struct Binary {
    pub(crate) bytes: Vec<u8>,
    pub(crate) architecture: Architecture,
    /// The oldest glibc that has all it needs; `None` where it needs none.
    pub(crate) glibc: Option<Glibc>,
    pub(crate) has_debug_information: bool,
    libraries: Vec<String>,
}

/// Why a file cannot be an extension.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unfit {
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    #[error(
        "it is no program for 64-bit Linux ({0}); Lambda runs those built for *-unknown-linux-gnu or -musl"
    )]
    NotElf(#[from] object::Error),
    #[error("it is a library and no program: build the extension as a binary")]
    Library,
    #[error("it is built for a processor that Lambda does not have (ELF machine {0})")]
    Machine(u16),
    #[error("it starts through {0}, which Lambda does not have; link it against glibc, or statically")]
    Loader(String),
}

impl Binary {
    pub(crate) fn read(path: &Path) -> Result<Self, Unfit> {
        Self::parse(fs::read(path)?)
    }

    fn parse(bytes: Vec<u8>) -> Result<Self, Unfit> {
        let elf = ElfFile64::<Endianness>::parse(&*bytes)?;
        let (endian, data) = (elf.endian(), elf.data());
        let architecture = match elf.elf_header().e_machine(endian) {
            EM_X86_64 => Architecture::X86_64,
            EM_AARCH64 => Architecture::Arm64,
            other => return Err(Unfit::Machine(other.0)),
        };
        let mut has_loader = false;
        for header in elf.elf_program_headers() {
            let Some(loader) = header.interpreter(endian, data)? else { continue };
            has_loader = true;
            let loader = String::from_utf8_lossy(loader);
            if !loader.contains("/ld-linux-") {
                return Err(Unfit::Loader(loader.into_owned()));
            }
        }

        let mut glibc = None;
        let sections = elf.elf_section_table();
        if let Some((mut needs, strings)) = sections.gnu_verneed(endian, data)? {
            let strings = sections.strings(endian, data, strings)?;
            while let Some((_, mut versions)) = needs.next()? {
                while let Some(version) = versions.next()? {
                    glibc = glibc.max(Glibc::of_symbol_version(version.name(endian, strings)?));
                }
            }
        }

        let dynamic = elf.elf_dynamic_table()?;
        let needed = dynamic.iter().filter(|entry| entry.tag == DT_NEEDED);
        let libraries = needed
            .map(|entry| Ok(String::from_utf8_lossy(dynamic.string(entry)?).into_owned()))
            .collect::<Result<Vec<_>, object::Error>>()?;
        // A program that needs libraries names the loader that is to find them.
        if !has_loader && !libraries.is_empty() {
            return Err(Unfit::Library);
        }
        let has_debug_information = elf.has_debug_symbols();
        Ok(Self { architecture, glibc, has_debug_information, libraries, bytes })
    }

    /// The shared libraries it needs beyond those that come with glibc and gcc.
    pub(crate) fn libraries_lambda_may_lack(&self) -> impl Iterator<Item = &str> {
        const THERE: [&str; 7] =
            ["libc.so", "libm.so", "libdl.so", "librt.so", "libpthread.so", "libgcc_s.so", "ld-linux-"];
        let lacking = |library: &&String| !THERE.iter().any(|known| library.starts_with(known));
        self.libraries.iter().filter(lacking).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_glibc_compare_as_numbers() {
        let versions = ["GLIBC_2.2.5", "GLIBC_2.34", "GCC_3.0", "GLIBC_PRIVATE", "GLIBC_2.4", "GLIBC_2.9"];
        let newest = versions.iter().filter_map(|name| Glibc::of_symbol_version(name.as_bytes())).max();
        assert_eq!(newest, Some(Glibc(2, 34)));
    }

    #[test]
    fn what_is_no_program_for_lambda_is_told_apart() {
        let not_elf = Binary::parse(b"#!/bin/sh\n".to_vec()).unwrap_err();
        assert!(not_elf.to_string().starts_with("it is no program for 64-bit Linux"), "{not_elf}");
        // This test itself, as if it were built for RISC-V (ELF machine 243).
        let mut bytes = fs::read(std::env::current_exe().unwrap()).unwrap();
        bytes[18] = 243;
        let machine = Binary::parse(bytes).unwrap_err();
        assert!(machine.to_string().ends_with("(ELF machine 243)"), "{machine}");
    }

    #[test]
    fn a_library_is_no_program() {
        // As the linker of this machine makes them; every machine that compiles has this one.
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        let libc =
            maps.split_whitespace().find(|word| word.contains("/libm.so") || word.contains("/libgcc_s.so"));
        let refused = Binary::read(Path::new(libc.expect("std is linked against it"))).unwrap_err();
        assert!(matches!(refused, Unfit::Library), "{refused}");
    }

    #[test]
    fn a_program_linked_against_glibc_says_which_it_needs() {
        let this = Binary::read(&std::env::current_exe().unwrap()).unwrap();
        assert!(this.glibc.is_some_and(|glibc| glibc >= Glibc(2, 17)), "{:?}", this.glibc);
        assert_eq!(this.libraries_lambda_may_lack().count(), 0, "{:?}", this.libraries);
    }
}
