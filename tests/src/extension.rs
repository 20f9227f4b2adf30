//! The files in `/opt/extensions`: programs, links and scripts.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// What a test puts into `/opt/extensions`.
#[derive(Clone, Debug)]
pub struct Extension {
    name: String,
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    /// The program itself, as a layer would bring it.
    Program(PathBuf),
    /// A script of ours that starts the program, and says how it ended.
    Launched { program: PathBuf, environment: Vec<(String, String)>, recorded: bool, redirected: String },
    /// A symbolic link to a program.
    Link(PathBuf),
    /// A script of the test's.
    Script(String),
}

impl Extension {
    /// A copy of a program, under the program's own file name.
    ///
    /// # Panics
    ///
    /// When the path has no file name.
    pub fn program(path: PathBuf) -> Self {
        let name =
            path.file_name().and_then(|name| name.to_str()).expect("a program has a file name").to_owned();
        Self { name, source: Source::Program(path) }
    }

    /// A symbolic link to a program outside `/opt`.
    pub fn link(name: &str, program: PathBuf) -> Self {
        Self { name: name.to_owned(), source: Source::Link(program) }
    }

    /// A script with this text; it may name programs by their path outside `/opt`.
    pub fn script(name: &str, text: &str) -> Self {
        Self { name: name.to_owned(), source: Source::Script(text.to_owned()) }
    }

    /// The file name, and with it the name Lambda knows the extension by.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// A variable that only this extension sees.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.launched().0.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Writes down every call ([`Emulator::journal`](crate::Emulator::journal)) and the exit code
    /// ([`Emulator::exit_code`](crate::Emulator::exit_code)).
    #[must_use]
    pub fn recorded(mut self) -> Self {
        *self.launched().1 = true;
        self
    }

    /// What the shell that starts it does with its output, such as `2>/dev/full`.
    #[must_use]
    pub fn redirected(mut self, redirected: &str) -> Self {
        redirected.clone_into(self.launched().2);
        self
    }

    fn launched(&mut self) -> (&mut Vec<(String, String)>, &mut bool, &mut String) {
        if let Source::Program(program) = &self.source {
            let program = program.clone();
            self.source = Source::Launched {
                program,
                environment: Vec::new(),
                recorded: false,
                redirected: String::new(),
            };
        }
        match &mut self.source {
            Source::Launched { environment, recorded, redirected, .. } => (environment, recorded, redirected),
            _ => panic!("{} is no program of its own, so there is nowhere to set its variables", self.name),
        }
    }

    /// Puts it into the directory that becomes `/opt/extensions`.
    pub(crate) fn install(&self, directory: &Path, recorder: SocketAddr) -> io::Result<()> {
        let path = directory.join(&self.name);
        match &self.source {
            Source::Program(program) => fs::copy(program, &path).map(|_| ())?,
            Source::Link(program) => return symlink(program, &path),
            Source::Script(text) => fs::write(&path, text)?,
            Source::Launched { program, environment, recorded, redirected } => {
                let mut environment = environment.clone();
                if *recorded {
                    environment.push(("AWS_LAMBDA_RUNTIME_API".to_owned(), recorder.to_string()));
                }
                fs::write(&path, launcher(program, &environment, redirected))?;
            }
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))
    }
}

/// The program runs under the launcher's own name, as AWS demands of launchers, and below it rather than in its place,
/// so that somebody is left to say how it ended.
fn launcher(program: &Path, environment: &[(String, String)], redirected: &str) -> String {
    let exports: String =
        environment.iter().map(|(name, value)| format!("export {name}={}\n", quoted(value))).collect();
    let program = quoted(&program.to_string_lossy());
    format!(
        "#!/bin/bash\n{exports}(exec -a \"$0\" {program} {redirected})\ncode=$?\necho \"launcher: ${{0##*/}} ended with $code\"\nexit $code\n"
    )
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
