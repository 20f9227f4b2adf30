//! The attribute macro of `lambda_extension`, which exports it as `lambda_extension::main`: use that crate,
//! not this one.
//!
//! `args` and `input` read what the user wrote, `signature` and `model` judge it, `expand` generates the
//! program from a `Model`, and `fallback` stands in for that beside the messages in `mistakes`; `generate` is all of it.

#![warn(missing_docs, clippy::unwrap_used)]

mod args;
mod argument;
mod expand;
mod fallback;
mod generate;
mod input;
mod mistakes;
mod model;
mod signature;
mod types;

/// Makes a program of one async function: a Lambda extension that registers, runs until SHUTDOWN, and ends at
/// once.
///
/// The function is a *handler*, called for each event, or a *constructor*, called once to make a value that
/// keeps state. In both forms the program needs no `main` of its own and no dependency on tokio.
///
/// # A handler
///
/// ```no_run
/// use lambda_extension::{Error, InvokeEvent};
///
/// #[lambda_extension::main]
/// async fn log_invocation(event: InvokeEvent) -> Result<(), Error> {
///     println!("{event}");
///     Ok(())
/// }
/// ```
///
/// What the function takes decides what it is called for, and what Lambda is asked for:
///
/// | argument | called for | registers | subscribes to |
/// |---|---|---|---|
/// | `NextEvent` | both events | INVOKE, SHUTDOWN | |
/// | `InvokeEvent` | INVOKE | INVOKE, SHUTDOWN | |
/// | `ShutdownEvent` | SHUTDOWN | SHUTDOWN | |
/// | `telemetry::Batch` | telemetry | INVOKE, SHUTDOWN | `platform`, `function` |
///
/// It returns `Result<(), E>` for any `E` that `?` turns into `lambda_extension::Error`. It stays an ordinary
/// function, which a unit test can call. The attribute adds no more than this:
///
/// ```no_run
/// use lambda_extension::{Error, InvokeEvent, extension_fn};
///
/// async fn log_invocation(event: InvokeEvent) -> Result<(), Error> {
///     println!("{event}");
///     Ok(())
/// }
///
/// #[tokio::main(flavor = "current_thread")]
/// async fn main() -> Result<(), Error> {
///     lambda_extension::logging::init();
///     lambda_extension::run(extension_fn(log_invocation)).await
/// }
/// ```
///
/// but for the last step: the generated `main` does not wait for what still blocks a thread of the runtime,
/// since Lambda bills the time until the process is gone. When something failed it prints the error and its
/// causes, and exits with 1.
///
/// # A constructor
///
/// A function called `main` that returns `Result<X, E>`, where `X` is an `Extension`, makes the extension:
///
/// ```no_run
/// use lambda_extension::{Error, Extension, InvokeEvent, Registration};
///
/// struct Counter {
///     function: String,
///     invocations: u64,
/// }
///
/// impl Extension for Counter {
///     async fn on_invoke(&mut self, _: InvokeEvent) -> Result<(), Error> {
///         self.invocations += 1;
///         println!("{}: {}", self.function, self.invocations);
///         Ok(())
///     }
/// }
///
/// #[lambda_extension::main]
/// async fn main(registration: Registration) -> Result<impl Extension, Error> {
///     Ok(Counter { function: registration.function_name, invocations: 0 })
/// }
/// ```
///
/// It is called when Lambda has registered the extension, so that the function's runtime starts meanwhile:
/// this is the place for slow preparations. Its error is reported to Lambda as an init error. The argument
/// may be left out. By hand this is:
///
/// ```no_run
/// use lambda_extension::{Config, Error, Extension, Registration};
/// # struct Counter { function: String, invocations: u64 }
/// # impl Extension for Counter {}
///
/// async fn construct(registration: Registration) -> Result<impl Extension, Error> {
///     Ok(Counter { function: registration.function_name, invocations: 0 })
/// }
///
/// #[tokio::main(flavor = "current_thread")]
/// async fn main() -> Result<(), Error> {
///     lambda_extension::logging::init();
///     Config::from_env()?.register().await?.run_with(construct).await?;
///     Ok(())
/// }
/// ```
///
/// A function called `main` that says literally that it returns `Result<(), …>` is a handler like any other.
///
/// # Arguments
///
/// All of them may be left out. Each stands for a call on `Config`, but where the table says otherwise.
///
/// | argument | by hand |
/// |---|---|
/// | `name = "my-extension"` | `.name("my-extension")`. Without it: `LAMBDA_EXTENSION_NAME`, else the name of the program's file |
/// | `events(invoke, shutdown)` | `.events([EventType::Invoke, EventType::Shutdown])` |
/// | `telemetry(platform, function, extension)` | `.telemetry(Subscription::new([Category::Platform, …]))` |
/// | `buffering(max_items = 1_000, max_bytes = 262_144, timeout_ms = 100)` | `Subscription::buffering(…)`, beside `telemetry` |
/// | `flush = "end"`, `"adaptive"` or `"shutdown"` | `.flush(FlushStrategy::End)` and so on |
/// | `flush(periodic_ms = 10_000)` | `.flush(FlushStrategy::Periodic(Duration::from_secs(10)))` |
/// | `on_error = "continue"` or `"exit"` | `.on_error(ErrorPolicy::Continue)` and so on: whether a failing hook is logged and survived, which is the default, or ends the extension and with it the function's invocation |
/// | `logging = "none"` | leaves out `logging::init()`, for those who set a subscriber or a logger themselves |
/// | `flavor = "current_thread"` or `"multi_thread"` | `#[tokio::main(flavor = …)]`; one thread is the default |
/// | `worker_threads = 2` | `#[tokio::main(worker_threads = 2)]`; goes with `flavor = "multi_thread"` |
/// | `crate = "my_extension"` | the path to the framework, where `Cargo.toml` gives it another name |
///
/// Of `buffering` each limit may be left out, which means Lambda's default. Lambda accepts from 1,000 to
/// 10,000 events (default 10,000), from 262,144 to 1,048,576 bytes (262,144), and from 25 to 30,000
/// milliseconds (1,000), as the "Telemetry API reference" of the AWS Lambda Developer Guide says.
///
/// ```no_run
/// use lambda_extension::{Error, telemetry::Batch};
///
/// #[lambda_extension::main(
///     name = "log-counter",
///     telemetry(function),
///     buffering(timeout_ms = 100),
///     flush = "end",
///     on_error = "exit",
/// )]
/// async fn count(batch: Batch) -> Result<(), Error> {
///     println!("{} lines", batch.len());
///     Ok(())
/// }
/// ```
///
/// # Mistakes
///
/// All that can be seen in the text is refused at compile time, all of it at once, each at its own words.
/// Besides single arguments that is what contradicts itself: telemetry for a handler that takes none, a
/// handler of an event that `events` leaves out, `flush = "end"` without invocations, `worker_threads` for
/// one thread.
///
/// # `panic = "abort"`
///
/// A panic in a hook is caught, counted and logged, and the function goes on. That takes a build whose panics
/// unwind. With `panic = "abort"` a panic ends the process, and Lambda then fails the customer's invocation.
/// The attribute warns where a build has that setting, which `cargo lambda build --release` makes in every
/// project whose manifest says nothing about it. Say in `Cargo.toml`:
///
/// ```toml
/// [profile.release]
/// panic = "unwind"
/// ```
///
/// It stays a warning where others are errors. `#[allow(deprecated)]` on the function silences it.
#[proc_macro_attribute]
pub fn main(args: proc_macro::TokenStream, item: proc_macro::TokenStream) -> proc_macro::TokenStream {
    generate::generate(args.into(), item.into()).into()
}
