//! The function beside the extensions: built in, or a real runtime in a process of its own.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use super::answer::Answer;
use super::command::prepare;
use super::core::Core;
use super::environment::Outcome;
use super::guest::{Life, Recipe, Role};
use super::telemetry::LineCategory;

/// How many invocations the built-in function takes at once on Managed Instances.
const WORKERS: usize = 16;

type Handler = dyn Fn(FunctionCall) -> Pin<Box<dyn Future<Output = Result<Vec<u8>, FunctionError>> + Send>>
    + Send
    + Sync;

/// The function that the simulated Lambda runs.
///
/// Usually one that needs no process and answers at once; it can take its time, write lines and fail.
/// [`Function::process`] runs a real one.
///
/// ```
/// use std::time::Duration;
/// use lambda_extension::simulator::Function;
///
/// let slow = Function::echo().logs("working").takes(Duration::from_millis(200));
/// let real = Function::process(std::process::Command::new("./bootstrap"));
/// ```
#[derive(Clone)]
pub struct Function {
    kind: Kind,
}

#[derive(Clone)]
enum Kind {
    BuiltIn {
        handler: Arc<Handler>,
        lines: Vec<String>,
        takes: Duration,
    },
    /// The command is taken when the simulator starts.
    Process(Arc<Mutex<Option<Command>>>),
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Kind::BuiltIn { .. } => "Function::BuiltIn",
            Kind::Process(_) => "Function::Process",
        })
    }
}

/// One invocation as the built-in function sees it: what [`Function::from_fn`] is given.
#[derive(Clone)]
#[non_exhaustive]
pub struct FunctionCall {
    /// The request id, which the extension's event names too.
    pub request_id: String,
    /// What the function was invoked with.
    pub payload: Vec<u8>,
    core: Arc<Core>,
}

impl fmt::Debug for FunctionCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FunctionCall")
            .field("request_id", &self.request_id)
            .field("payload", &String::from_utf8_lossy(&self.payload))
            .finish_non_exhaustive()
    }
}

impl FunctionCall {
    /// Writes a line, as a function does to its standard output: telemetry of category `function`.
    pub fn log(&self, line: impl AsRef<str>) {
        self.core.lock().line(&self.core, LineCategory::Function, line.as_ref());
    }
}

/// How a function fails without its process ending: the invocation's status is `error`, and the environment lives on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FunctionError {
    /// The type of error that the invocation and `platform.runtimeDone` name, such as `Function.OrderNotFound`.
    pub error_type: String,
    /// What went wrong, for people.
    pub message: String,
}

impl FunctionError {
    /// An error with its type, such as `Function.OrderNotFound`, and a message.
    pub fn new(error_type: impl Into<String>, message: impl Into<String>) -> Self {
        Self { error_type: error_type.into(), message: message.into() }
    }
}

impl Function {
    /// Answers with its payload, at once unless [`takes`](Self::takes) says otherwise.
    pub fn echo() -> Self {
        Self::from_fn(async |call: FunctionCall| Ok(call.payload))
    }

    /// Does what a closure does.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use lambda_extension::simulator::{Function, FunctionCall, FunctionError, Simulator, Status};
    ///
    /// let picky = Function::from_fn(|call: FunctionCall| async move {
    ///     call.log("looking at the order");
    ///     Err(FunctionError::new("Function.OrderNotFound", "no such order"))
    /// });
    /// let simulator = Simulator::builder().function(picky).start().await;
    /// assert_eq!(simulator.invoke("{}").await.status, Status::Error);
    /// # }
    /// ```
    pub fn from_fn<F, Fut>(handler: F) -> Self
    where
        F: Fn(FunctionCall) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Vec<u8>, FunctionError>> + Send + 'static,
    {
        let handler: Arc<Handler> = Arc::new(move |call| Box::pin(handler(call)));
        Self { kind: Kind::BuiltIn { handler, lines: Vec::new(), takes: Duration::ZERO } }
    }

    /// Always fails, with this [error](FunctionError).
    pub fn failing(error_type: impl Into<String>, message: impl Into<String>) -> Self {
        let error = FunctionError::new(error_type, message);
        Self::from_fn(move |_| std::future::ready(Err(error.clone())))
    }

    /// A program that speaks the Runtime API, such as a `bootstrap`. It gets the variables Lambda would set, and
    /// those set on the command itself; nothing else of this process's environment.
    ///
    /// A command cannot be copied, so clones of this function share it, and one simulator alone can be
    /// [started](super::Builder::try_start) with it. A program that cannot be started fails Init with
    /// `Runtime.InvalidEntrypoint`.
    pub fn process(command: Command) -> Self {
        Self { kind: Kind::Process(Arc::new(Mutex::new(Some(command)))) }
    }

    /// Writes this line in every invocation before it does anything else. Only for built-in functions.
    #[must_use]
    pub fn logs(mut self, line: impl Into<String>) -> Self {
        if let Kind::BuiltIn { lines, .. } = &mut self.kind {
            lines.push(line.into());
        }
        self
    }

    /// Takes this long for every invocation. Only for built-in functions.
    #[must_use]
    pub fn takes(mut self, time: Duration) -> Self {
        if let Kind::BuiltIn { takes, .. } = &mut self.kind {
            *takes = time;
        }
        self
    }

    /// How the environment starts this function's runtime; the error says that it was given to another environment.
    pub(crate) fn recipe(&self, core: &Arc<Core>) -> io::Result<Recipe> {
        Ok(match &self.kind {
            Kind::BuiltIn { handler, lines, takes } => {
                let (core, handler, lines, takes) =
                    (Arc::clone(core), Arc::clone(handler), lines.clone(), *takes);
                let make = move || -> Life {
                    let worker = Worker {
                        core: Arc::clone(&core),
                        handler: Arc::clone(&handler),
                        lines: lines.clone(),
                        takes,
                    };
                    Box::pin(worker.work())
                };
                Recipe::Future(Box::new(make))
            }
            Kind::Process(command) => {
                let command = command.lock().unwrap_or_else(PoisonError::into_inner).take().ok_or_else(|| {
                    io::Error::other(
                        "the function's command was given to another simulator; make a `Function::process` for each",
                    )
                })?;
                let api = core.address.to_string();
                Recipe::Process(prepare(command, Role::Runtime, &core.settings, &api))
            }
        })
    }
}

/// The built-in runtime: asks for invocations as a real one does, but without HTTP.
#[derive(Clone)]
struct Worker {
    core: Arc<Core>,
    handler: Arc<Handler>,
    lines: Vec<String>,
    takes: Duration,
}

impl Worker {
    async fn work(self) -> Result<(), String> {
        if self.core.settings.rules() == super::environment::Rules::Default {
            return self.one_after_another().await;
        }
        let mut workers = tokio::task::JoinSet::new();
        for _ in 0..WORKERS {
            workers.spawn(self.clone().one_after_another());
        }
        workers.join_next().await.map_or(Ok(()), |first| first.map_err(|error| error.to_string())?)
    }

    async fn one_after_another(self) -> Result<(), String> {
        loop {
            let Some(answer) = self.core.runtime_next().reply().await else {
                return Err("the environment is gone".to_owned());
            };
            let (request_id, outcome) = self.handle(answer).await;
            self.core.runtime_finish(&request_id, outcome);
        }
    }

    async fn handle(&self, answer: Answer) -> (String, Outcome) {
        let id = answer.headers.iter().find(|(name, _)| *name == "Lambda-Runtime-Aws-Request-Id");
        let request_id = id.map(|(_, id)| id.clone()).unwrap_or_default();
        let call = FunctionCall {
            request_id: request_id.clone(),
            payload: answer.body.to_vec(),
            core: Arc::clone(&self.core),
        };
        self.lines.iter().for_each(|line| call.log(line));
        if !self.takes.is_zero() {
            tokio::time::sleep(self.takes).await;
        }
        let outcome = match (self.handler)(call).await {
            Ok(response) => Outcome::Response(Bytes::from(response)),
            Err(error) => {
                let body =
                    serde_json::json!({ "errorMessage": error.message, "errorType": error.error_type });
                Outcome::Error { error_type: error.error_type, body: Bytes::from(body.to_string()) }
            }
        };
        (request_id, outcome)
    }
}
