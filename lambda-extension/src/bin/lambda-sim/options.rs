//! The options, and what they make of a simulator and a session.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use clap::{CommandFactory, Parser, ValueEnum, value_parser};
use lambda_extension::simulator::{Builder, Fault, Function, LogFormat, Schema, Session, Simulator};

/// Runs an extension under a local Lambda: real life cycle, telemetry, freezing; no account, no containers.
///
/// Ends with 0 if the extension behaved, with 1 if it did not, with 2 if it, or a fault that was asked for, could not be
/// tried.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES)]
pub(crate) struct Options {
    /// The extension's program and its arguments: everything behind the options. `--` may stand between.
    #[arg(trailing_var_arg = true, value_name = "EXTENSION", required = true)]
    pub(crate) extension: Vec<OsString>,

    /// Another extension beside it: a program without arguments. Can be given several times.
    #[arg(help_heading = EXTENSIONS, long, value_name = "PROGRAM")]
    also: Vec<PathBuf>,

    /// A name for the extension other than its file's.
    #[arg(help_heading = EXTENSIONS, long)]
    name: Option<String>,

    /// A variable the customer configured. Can be given several times. Of the names that Lambda reserves, only region and
    /// credentials can be set.
    #[arg(help_heading = EXTENSIONS, long, value_name = "NAME=VALUE", value_parser = variable)]
    env: Vec<(String, String)>,

    /// A file of such variables, NAME=VALUE a line; empty lines and those that start with # are skipped.
    #[arg(help_heading = EXTENSIONS, long, value_name = "FILE")]
    env_file: Option<PathBuf>,

    /// A real function: a program that speaks the Runtime API. Without it, a built-in one answers with its payload.
    #[arg(help_heading = FUNCTION, long, value_name = "BOOTSTRAP")]
    function: Option<PathBuf>,

    /// How long the built-in function takes, in milliseconds.
    #[arg(help_heading = FUNCTION, long, value_name = "MS", default_value_t = 20)]
    function_ms: u64,

    /// A line the built-in function writes in each invocation.
    #[arg(help_heading = FUNCTION, long, value_name = "LINE", default_value = "hello from the function")]
    function_log: String,

    /// The function's memory in MB, as extensions and telemetry are told it; it is not limited.
    #[arg(help_heading = FUNCTION, long, value_name = "MB", default_value_t = 128, value_parser = value_parser!(u32).range(128..=10_240))]
    memory: u32,

    /// How long an invocation may take, in seconds.
    #[arg(help_heading = FUNCTION, long, value_name = "SECONDS", default_value = "3", value_parser = timeout)]
    timeout: Duration,

    /// The function's log format.
    #[arg(help_heading = FUNCTION, long, value_name = "FORMAT", value_enum, default_value_t = Format::Text)]
    log_format: Format,

    /// What extensions read in AWS_LAMBDA_LOG_LEVEL.
    #[arg(help_heading = FUNCTION, long, value_name = "LEVEL", ignore_case = true, value_parser = LEVELS)]
    log_level: Option<String>,

    /// How many invocations.
    #[arg(help_heading = RUN, long, short = 'n', value_name = "N", default_value_t = 3, allow_negative_numbers = true, value_parser = count)]
    pub(crate) invokes: u64,

    /// Invocations per second, at most. Between them the environment is frozen.
    #[arg(help_heading = RUN, long, value_name = "PER_SECOND", default_value = "10", value_parser = pause)]
    rate: Duration,

    /// What the function is invoked with: JSON, or `@FILE`.
    #[arg(help_heading = RUN, long, value_name = "JSON", default_value = NO_PAYLOAD)]
    payload: String,

    /// Lambda Managed Instances: several invocations at once, SHUTDOWN only, no freezing.
    #[arg(help_heading = RUN, long, conflicts_with = "snap_start")]
    managed_instances: bool,

    /// Invocations at once, with --managed-instances.
    #[arg(help_heading = RUN, long, value_name = "N", default_value_t = 4, requires = "managed_instances")]
    at_once: usize,

    /// SnapStart: Init, snapshot and restore before the first invocation.
    #[arg(help_heading = RUN, long)]
    snap_start: bool,

    /// Does not stop processes while everybody waits.
    #[arg(help_heading = RUN, long)]
    no_freeze: bool,

    /// Something that goes wrong once, such as `next=500`, `register=drop`, `malformed-batch` or
    /// `unknown-event=RELOAD`; `--fault list` names them all. Can be given several times.
    #[arg(help_heading = TROUBLE, long, value_parser = |text: &str| text.parse::<Fault>())]
    fault: Vec<Fault>,

    /// Disturbs telemetry within what Lambda may do; the seed repeats it.
    #[arg(help_heading = TROUBLE, long, value_name = "SEED")]
    disorder: Option<u64>,

    /// Delivers telemetry in this schema, whatever the subscription says.
    #[arg(help_heading = TROUBLE, long, value_name = "VERSION", value_parser = |text: &str| text.parse::<Schema>())]
    telemetry_schema: Option<Schema>,

    /// Answers telemetry subscriptions as AWS's emulator does: accepted, and nothing comes.
    #[arg(help_heading = TROUBLE, long)]
    without_telemetry: bool,

    /// Writes the report as a page of HTML that needs nothing beside it.
    #[arg(help_heading = OUTPUT, long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,

    /// Prints the report as JSON instead of as text, for other programs.
    #[arg(help_heading = OUTPUT, long)]
    pub(crate) json: bool,

    /// Does not print what extensions and function write, nor each invocation.
    #[arg(help_heading = OUTPUT, long, short)]
    pub(crate) quiet: bool,

    /// The port of the APIs on the loopback; any free one otherwise.
    #[arg(long)]
    port: Option<u16>,
}

const NO_PAYLOAD: &str = "{}";

// What the options are about, as the help groups them.
const EXTENSIONS: &str = "Extensions";
const FUNCTION: &str = "The function";
const RUN: &str = "The run";
const TROUBLE: &str = "What may go wrong";
const OUTPUT: &str = "What is said of it";

const EXAMPLES: &str = "Examples:
  lambda-sim -- target/release/my-extension
  lambda-sim -n 20 --function ./bootstrap --payload @event.json -- ./my-extension
  lambda-sim --timeout 1 --fault telemetry=500 --report report.html -- ./my-extension --verbose";

const LEVELS: [&str; 6] = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];

/// What Lambda sets itself and lets nobody set; region and credentials stand for the function's role here.
const RESERVED: [&str; 12] = [
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_LAMBDA_RUNTIME_API",
    "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT",
];

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Text,
    Json,
}

impl Options {
    /// A simulator as these options describe it; the error is a sentence for whoever wrote them.
    pub(crate) fn builder(&self) -> Result<Builder, String> {
        let function = match &self.function {
            Some(bootstrap) => Function::process(Command::new(executable(bootstrap)?)),
            None => Function::echo().logs(&self.function_log).takes(Duration::from_millis(self.function_ms)),
        };
        let mut builder = Simulator::builder()
            .function(function)
            .memory(self.memory)
            .timeout(self.timeout)
            .port(self.port.unwrap_or_default());
        if self.managed_instances {
            builder = builder.managed_instances();
        }
        if self.snap_start {
            builder = builder.snap_start();
        }
        if matches!(self.log_format, Format::Json) {
            builder = builder.log_format(LogFormat::Json);
        }
        if let Some(level) = &self.log_level {
            builder = builder.log_level(level.to_uppercase());
        }
        if let Some(schema) = self.telemetry_schema {
            builder = builder.telemetry_schema(schema);
        }
        if self.without_telemetry {
            builder = builder.without_telemetry();
        }
        if self.no_freeze {
            builder = builder.without_freezing();
        }
        if let Some(seed) = self.disorder {
            builder = builder.disorder(seed);
        }
        if !self.quiet {
            builder = builder.echo();
        }
        for (name, value) in self.variables_of_file()?.into_iter().chain(self.env.clone()) {
            builder = builder.env(name, value);
        }
        Ok(self.fault.iter().cloned().fold(builder, Builder::fault))
    }

    /// The function answers something that is worth looking at.
    pub(crate) fn has_answers(&self) -> bool {
        self.function.is_some() || self.payload != NO_PAYLOAD
    }

    /// An option of this program that stands behind the extension's, where it is the extension's argument.
    pub(crate) fn misplaced(&self) -> Option<&str> {
        let (arguments, own) = (self.extension.iter().skip(1), Self::command());
        let is_own = |argument: &str| {
            let name = argument.split('=').next().unwrap_or_default().strip_prefix("--");
            name.is_some_and(|name| own.get_opts().any(|option| option.get_long() == Some(name)))
        };
        // Whoever writes `--` knows.
        if std::env::args_os().any(|argument| argument == "--") {
            return None;
        }
        arguments.filter_map(|argument| argument.to_str()).find(|argument| is_own(argument))
    }

    /// The name of the extension: what Lambda would know it by, unless it was given another.
    pub(crate) fn extension_name(&self) -> String {
        let program = self.extension.first().map(Path::new).unwrap_or(Path::new(""));
        self.name.clone().unwrap_or_else(|| file_name(program))
    }

    /// The extensions with their names.
    pub(crate) fn extensions(&self) -> Result<Vec<(String, Command)>, String> {
        let (program, arguments) =
            self.extension.split_first().ok_or("name the extension's program behind the options")?;
        let file = executable(Path::new(program))?;
        let mut command = Command::new(&file);
        command.args(arguments);
        if let Some(name) = &self.name {
            // An extension finds its name there, as it would if its file were called so.
            std::os::unix::process::CommandExt::arg0(&mut command, file.with_file_name(name));
        }
        let mut extensions = vec![(self.extension_name(), command)];
        for program in &self.also {
            extensions.push((file_name(program), Command::new(executable(program)?)));
        }
        let mut names: Vec<_> = extensions.iter().map(|(name, _)| name.clone()).collect();
        names.sort();
        match names.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(format!(
                "there are two extensions named `{}`; in Lambda names are file names, so one of them has to be called otherwise",
                pair[0]
            )),
            None => Ok(extensions),
        }
    }

    pub(crate) fn session(&self) -> Result<Session, String> {
        let at_once = if self.managed_instances { self.at_once } else { 1 };
        Ok(Session::new(self.invokes).payload(self.payload()?).gap(self.rate).at_once(at_once))
    }

    fn payload(&self) -> Result<Vec<u8>, String> {
        let payload = match self.payload.strip_prefix('@') {
            Some(file) => std::fs::read(file)
                .map_err(|error| format!("the payload file `{file}` cannot be read: {error}"))?,
            None => self.payload.clone().into_bytes(),
        };
        serde_json::from_slice::<serde::de::IgnoredAny>(&payload)
            .map_err(|error| format!("the payload is no JSON ({error}); Lambda's payloads are JSON"))?;
        Ok(payload)
    }

    fn variables_of_file(&self) -> Result<Vec<(String, String)>, String> {
        let Some(file) = &self.env_file else { return Ok(Vec::new()) };
        let text = std::fs::read_to_string(file)
            .map_err(|error| format!("the file of variables `{}` cannot be read: {error}", file.display()))?;
        text.lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .map(|line| variable(line).map_err(|error| format!("in `{}`: {error}", file.display())))
            .collect()
    }
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, _)) if RESERVED.contains(&name) => {
            Err(format!("Lambda sets `{name}` itself, and lets nobody else"))
        }
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(format!("`{text}` should be NAME=VALUE")),
    }
}

fn count(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("`{text}` should be a whole number of invocations, 0 or more"))
}

/// The pause that makes a rate.
fn pause(text: &str) -> Result<Duration, String> {
    let rate = positive(text, "invocations per second")?;
    Duration::try_from_secs_f64(1.0 / rate).map_err(|_| format!("with `{text}` the second would never come"))
}

fn timeout(text: &str) -> Result<Duration, String> {
    match Duration::try_from_secs_f64(positive(text, "seconds")?) {
        Ok(timeout) if timeout.as_secs_f64() <= 900.0 => Ok(timeout),
        _ => Err("Lambda's longest timeout is 900 seconds".to_owned()),
    }
}

fn positive(text: &str, what: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if number > 0.0 && f64::is_finite(number) => Ok(number),
        _ => Err(format!("`{text}` should be a number of {what} above 0")),
    }
}

fn file_name(program: &Path) -> String {
    program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned()
}

/// The program as a path that can be executed, or what to do about it.
fn executable(program: &Path) -> Result<PathBuf, String> {
    use std::os::unix::fs::PermissionsExt;
    let found = if program.components().count() > 1 {
        program.to_owned()
    } else {
        let here = Path::new(".").join(program);
        let in_path = std::env::var_os("PATH").and_then(|path| {
            std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
        });
        in_path.unwrap_or(here)
    };
    let metadata = std::fs::metadata(&found).map_err(|error| {
        format!("`{}` cannot be started: {error}; build it first, or correct the path", program.display())
    })?;
    if !metadata.is_file() {
        return Err(format!("`{}` cannot be started: it is not a file", program.display()));
    }
    if metadata.permissions().mode() & 0o111 == 0 {
        return Err(format!(
            "`{0}` cannot be started: it is not executable; `chmod +x {0}` makes it so (in a layer, too)",
            program.display()
        ));
    }
    Ok(found)
}
