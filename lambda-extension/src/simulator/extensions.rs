//! How extensions come into a local Lambda: by a configuration for one in this process, as processes, and as tasks.

use std::fmt;
use std::future::Future;
use std::process::Command;

use super::command::{base_name, prepare};
use super::guest::{Life, Recipe, Role};
use super::{InitializationType, Simulator};
use crate::config::{Config, Initialization};

/// The extensions, before the first invocation.
impl Simulator {
    /// What an external extension in this process is run with, under this name: it is expected from now on, reads its
    /// deadlines by the simulator's clock, and knows what kind of environment this is.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use lambda_extension::simulator::{ShutdownReason, Simulator};
    /// use lambda_extension::{Error, InvokeEvent, extension_fn};
    ///
    /// let simulator = Simulator::start().await;
    /// let extension = extension_fn(|event: InvokeEvent| async move {
    ///     println!("{event}");
    ///     Ok::<_, Error>(())
    /// });
    /// let running = tokio::spawn(simulator.config("printer").run(extension));
    /// simulator.invoke("{}").await.expect_success();
    /// simulator.shutdown(ShutdownReason::Spindown).await.expect_clean();
    /// running.await.unwrap().unwrap();
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// After the first invocation.
    #[track_caller]
    pub fn config(&self, name: impl Into<String>) -> Config {
        let name = name.into();
        self.attach(name.clone());
        self.unattached_config().name(name)
    }

    /// As [`config`](Self::config), for an [internal](Config::internal) extension, which Lambda knows nothing of before it
    /// registers.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use lambda_extension::simulator::{Route, Simulator};
    /// use lambda_extension::{Error, InvokeEvent, extension_fn};
    ///
    /// let simulator = Simulator::start().await;
    /// let extension = extension_fn(|_: InvokeEvent| async { Ok::<_, Error>(()) });
    /// tokio::spawn(simulator.internal_config("inside").run(extension));
    /// // Lambda does not wait for an internal extension to register, so the test does.
    /// simulator.call(|call| call.route == Some(Route::Register)).await;
    /// let invocation = simulator.invoke("{}").await.expect_success();
    /// assert_eq!(invocation.held[0].extension, "inside");
    /// # }
    /// ```
    pub fn internal_config(&self, name: impl Into<String>) -> Config {
        self.unattached_config().name(name).internal()
    }

    /// As [`config`](Self::config), for an extension that [`spawn_fn`](Self::spawn_fn) makes, which is expected already:
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use lambda_extension::simulator::{ShutdownReason, Simulator};
    /// use lambda_extension::{Error, InvokeEvent, extension_fn};
    ///
    /// let simulator = Simulator::start().await;
    /// let config = simulator.unattached_config().name("reborn");
    /// simulator.spawn_fn("reborn", move || {
    ///     config.clone().run(extension_fn(|_: InvokeEvent| async { Ok::<_, Error>(()) }))
    /// });
    /// simulator.crash().await.expect_error("Runtime.ExitError");
    /// // Lambda has started everything again.
    /// simulator.invoke("{}").await.expect_success();
    /// simulator.shutdown(ShutdownReason::Spindown).await.expect_clean();
    /// # }
    /// ```
    pub fn unattached_config(&self) -> Config {
        let initialization = match self.core.settings.init_type {
            InitializationType::SnapStart => Initialization::SnapStart,
            InitializationType::ManagedInstances => Initialization::ManagedInstances,
            _ => Initialization::Ordinary,
        };
        let config = Config::new(&self.runtime_api()).expect("the address of a listening socket is one");
        config.simulated(self.core.time.clock(), initialization)
    }

    /// Starts an extension as a process, as Lambda starts the files of `/opt/extensions`.
    ///
    /// Its name is the file name of the program. It gets a process group of its own, no standard input, the
    /// variables Lambda would set and those set on the command itself; nothing else of this process's environment.
    /// What it writes becomes telemetry of category `extension`. A program that cannot be started fails Init.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use std::process::Command;
    /// use lambda_extension::simulator::Simulator;
    ///
    /// // Where a test tries the extension of its own package, that is `env!("CARGO_BIN_EXE_my-extension")`.
    /// let mut extension = Command::new("/bin/false");
    /// extension.env("RUST_LOG", "debug");
    /// let simulator = Simulator::start().await;
    /// simulator.spawn(extension);
    /// // This one exits before it has registered, and so there is no function.
    /// simulator.invoke("{}").await.expect_error("Extension.Crash");
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// After the first invocation, and if there is an extension of that name already.
    #[track_caller]
    pub fn spawn(&self, command: Command) {
        let name = base_name(command.get_program());
        self.spawn_as(name, command);
    }

    /// As [`spawn`](Self::spawn), under a name of its own: that of the launcher script, where there is one.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use std::process::Command;
    /// use lambda_extension::simulator::{Simulator, Status};
    ///
    /// let mut script = Command::new("sh");
    /// script.args(["-c", "echo started by hand; exit 3"]);
    /// let simulator = Simulator::start().await;
    /// simulator.spawn_as("launcher", script);
    /// assert_eq!(simulator.init().await, Status::Error);
    /// let report = simulator.report();
    /// assert_eq!(report.inits[0].extensions[0].name, "launcher");
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// As [`spawn`](Self::spawn).
    #[track_caller]
    pub fn spawn_as(&self, name: impl Into<String>, command: Command) {
        let command = prepare(command, Role::Extension, &self.core.settings, &self.runtime_api());
        self.core.add_extension(&name.into(), Recipe::Process(command));
    }

    /// Starts an extension as a task of this process. When its future ends, the extension has exited; when Lambda
    /// would kill the process, the task is aborted. It is made anew for every restart.
    ///
    /// It cannot be frozen; but telemetry is delivered to it only while the environment is awake.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use lambda_extension::simulator::Simulator;
    /// use lambda_extension::{Error, InvokeEvent, extension_fn};
    ///
    /// let simulator = Simulator::start().await;
    /// let config = simulator.unattached_config().name("task");
    /// simulator.spawn_fn("task", move || config.clone().run(extension_fn(|_: InvokeEvent| async { Ok::<_, Error>(()) })));
    /// simulator.timeout().await.expect_timeout();
    /// // The environment has ended with it. The next invocation makes another one, and the task anew.
    /// simulator.invoke("{}").await.expect_success();
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// After the first invocation, and if there is an extension of that name already.
    #[track_caller]
    pub fn spawn_fn<F, Fut, E>(&self, name: impl Into<String>, mut extension: F)
    where
        F: FnMut() -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: fmt::Display,
    {
        let make = move || -> Life {
            let life = extension();
            Box::pin(async move { life.await.map_err(|error| error.to_string()) })
        };
        self.core.add_extension(&name.into(), Recipe::Future(Box::new(make)));
    }

    /// Expects an external extension of this name that somebody else runs: the test itself, or a task of its own.
    ///
    /// It counts as gone when the connection over which it was told to shut down is closed, or when it has reported
    /// an error. A name that is attached already is left as it is.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use lambda_extension::simulator::{ShutdownReason, Simulator};
    /// use lambda_extension::client::Client;
    /// use lambda_extension::{EventType, NextEvent};
    ///
    /// let simulator = Simulator::start().await;
    /// simulator.attach("by-hand");
    /// let client = Client::new(&simulator.runtime_api()).unwrap();
    /// let id = client.register("by-hand", &[EventType::Shutdown]).await.unwrap().extension_id;
    /// let polling = tokio::spawn(async move { client.next_event(&id).await });
    /// simulator.init().await;
    /// // The client is dropped with its event, which closes the connection.
    /// simulator.shutdown(ShutdownReason::Spindown).await.expect_clean();
    /// assert!(matches!(polling.await.unwrap(), Ok(NextEvent::Shutdown(_))));
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// After the first invocation.
    #[track_caller]
    pub fn attach(&self, name: impl Into<String>) {
        let name = name.into();
        let known = self.core.lock().extension(&name).is_some_and(|guest| guest.is_attached());
        if !known {
            self.core.add_extension(&name, Recipe::Attached);
        }
    }
}
