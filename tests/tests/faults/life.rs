//! One life, or several, of an extension in this process under the local Lambda, with tokio's time paused: what hangs for seconds
//! is over at once.

use std::{
    future::{Future, ready},
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use lambda_extension::{
    Config, Defaults, Error, Extension, FlushEvent, FlushStrategy, Handle, InvokeEvent, Metrics,
    Registration, ShutdownEvent, extension_fn,
    simulator::{Builder, Fault, Function, Invocation, ShutdownReason, Simulator, Status},
    telemetry::{Batch, Category, Subscription},
};
use lambda_extension_tests::lock;
use tokio::{sync::watch, time::timeout};

use crate::{
    outcome::{Accounts, Outcome, counted},
    scripted::{Sender, batch},
    table::{Phase, Phase::*},
};

pub const NAME: &str = "subject";
const INVOCATIONS: usize = 3;
/// Paused time runs ahead whenever everybody waits, so this is reached only by what waits for ever.
const FOR_EVER: Duration = Duration::from_secs(3_600);

pub type Doing<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What a hook does when its phase has come.
pub type Act = Arc<dyn Fn() -> Doing<Result<(), Error>> + Send + Sync>;

/// What happens outside of the extension in a phase, beside what it does itself; the records it got accepted, and the deliveries
/// whose records nobody can count.
pub type Disturb = Arc<dyn Fn(u16) -> Doing<(u64, u64)> + Send + Sync>;

/// How often a fault happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    Once,
    Always,
}

/// A life to be lived.
#[derive(Clone)]
pub struct Script {
    pub builder: Builder,
    pub configure: fn(Config) -> Config,
    /// Whether the extension is made by a constructor, and that is where `Init` is.
    pub constructed: bool,
    pub at: Phase,
    pub times: Times,
    pub act: Option<Act>,
    pub disturb: Option<Disturb>,
    /// A fault of the simulator's before the invocation of this number, counted from 0.
    pub fault_before: Option<(usize, Fault)>,
    /// A fault of the simulator's before each invocation.
    pub fault_always: Option<Fault>,
    /// The name that the extension registers under, where that is not its own.
    pub name: Option<&'static str>,
    /// The port it asks for.
    pub port: Option<u16>,
    /// Whether the environment does not say that it is one of Managed Instances.
    pub as_if_on_demand: bool,
    /// How many extensions that do nothing were started before it.
    pub beside: usize,
}

impl Script {
    pub fn new(at: Phase) -> Self {
        Self {
            builder: Simulator::builder().timeout(Duration::from_secs(3)),
            configure: |config| config,
            constructed: false,
            at,
            times: Times::Always,
            act: None,
            disturb: None,
            fault_before: None,
            fault_always: None,
            name: None,
            port: None,
            as_if_on_demand: false,
            beside: 0,
        }
    }

    pub fn acting<Fut>(mut self, act: impl Fn() -> Fut + Send + Sync + 'static) -> Self
    where
        Fut: Future<Output = Result<(), Error>> + Send + 'static,
    {
        self.act = Some(Arc::new(move || Box::pin(act())));
        self
    }

    pub fn disturbing<Fut>(mut self, disturb: impl Fn(u16) -> Fut + Send + Sync + 'static) -> Self
    where
        Fut: Future<Output = (u64, u64)> + Send + 'static,
    {
        self.disturb = Some(Arc::new(move |port| Box::pin(disturb(port))));
        self
    }

    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// Lives it, with paused time.
    pub fn live(&self) -> Outcome {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        runtime.expect("a runtime").block_on(async {
            timeout(FOR_EVER, self.run()).await.expect("somebody waits for what never comes")
        })
    }

    async fn run(&self) -> Outcome {
        let function = Function::echo().logs("a line of the function's");
        let simulator = Arc::new(self.builder.clone().function(function).start().await);
        let books = Arc::new(Books::new());
        self.spawn(&simulator, &books);
        let disturbing = self.disturb.clone().map(|disturb| {
            let (books, simulator) = (Arc::clone(&books), Arc::clone(&simulator));
            let at = self.at;
            tokio::spawn(async move {
                if at == Shutdown {
                    disturb_the_end(&disturb, &books, &simulator).await;
                } else {
                    disturb_when_told(&disturb, &books, &simulator).await;
                }
            })
        });
        let mut answers = Vec::new();
        for number in 0..INVOCATIONS {
            let now =
                self.fault_before.iter().filter(|(before, _)| *before == number).map(|(_, fault)| fault);
            now.chain(&self.fault_always).for_each(|fault| simulator.inject(fault.clone()));
            answers.push(word(&simulator.invoke("{}").await));
            if self.at == Idle && (self.act.is_some() || self.disturb.is_some()) {
                self.pass_idle_time(&simulator, &books).await;
            }
        }
        let report = simulator.shutdown(ShutdownReason::Spindown).await;
        if let Some(disturbing) = disturbing {
            if self.at == Shutdown {
                disturbing.await.expect("it does not panic");
            } else {
                disturbing.abort();
            }
        }
        let (raw_records, raw_uncounted) = *lock(&books.raw);
        let metrics: Vec<Metrics> = lock(&books.handles).iter().map(Handle::metrics).collect();
        let mut ends = lock(&books.ends).clone();
        // A life that Lambda ended did not come to its own end.
        ends.resize(*lock(&books.lives), "signal 9".to_owned());
        let sent = report.telemetry.first().map_or(0, |telemetry| telemetry.delivered + telemetry.duplicates);
        let accounts = Accounts {
            sent: sent + raw_records,
            handed_on: metrics.iter().map(|one| one.records).sum(),
            dropped: metrics.iter().map(|one| one.dropped_records).sum(),
            broken: raw_uncounted,
            dropped_batches: metrics.iter().map(|one| one.dropped_batches).sum(),
        };
        Outcome { answers, accounts: Some(accounts), data: None, ends, counted: Some(counted(&metrics)) }
    }

    fn spawn(&self, simulator: &Simulator, books: &Arc<Books>) {
        let config = if self.as_if_on_demand {
            Config::new(&simulator.runtime_api()).expect("it is an address")
        } else {
            simulator.unattached_config()
        };
        let subscription = Subscription::new([Category::Platform, Category::Function]);
        let config = config
            .name(self.name.unwrap_or(NAME))
            .telemetry(subscription.port(self.port.unwrap_or_default()))
            .flush(FlushStrategy::End)
            .init_timeout(Duration::from_secs(2))
            .max_hold(Duration::from_secs(1));
        let config = (self.configure)(config);
        for number in 0..self.beside {
            let name = format!("bare-{number}");
            let config = simulator.unattached_config().name(&name);
            simulator.spawn_fn(&name, move || {
                config.clone().run(extension_fn(|_: ShutdownEvent| ready(Ok::<_, Error>(()))))
            });
        }
        let (script, books) = (self.clone(), Arc::clone(books));
        let faults = Arc::new(Mutex::new(0));
        simulator.spawn_fn(NAME, move || {
            let (script, books, config) = (script.clone(), Arc::clone(&books), config.clone());
            let subject = Subject { script, books: Arc::clone(&books), faults: Arc::clone(&faults) };
            async move {
                *lock(&books.lives) += 1;
                let ended = subject.live(config).await;
                lock(&books.ends).push(if ended.is_ok() { "exit 0" } else { "exit 1" }.to_owned());
                ended
            }
        });
    }

    /// Something comes while everybody waits, so that `on_telemetry` is called; then everybody has had their time.
    async fn pass_idle_time(&self, simulator: &Simulator, books: &Books) {
        let Some(port) = simulator.telemetry_port(NAME) else { return };
        match &self.disturb {
            Some(disturb) => books.add(disturb(port).await),
            None => {
                if Sender::connect(port).await.post(&batch(IDLE)).await == 200 {
                    books.add((1, 0));
                }
                // Whatever the hook does with it, it does now.
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// What the line says that comes between two invocations.
const IDLE: &str = "nobody is invoked";

/// Disturbs while the hook of the phase runs, each time it does.
async fn disturb_when_told(disturb: &Disturb, books: &Books, simulator: &Simulator) {
    let mut reached = books.reached.subscribe();
    let mut done = 0;
    loop {
        if reached.wait_for(|times| *times > done).await.is_err() {
            return;
        }
        done += 1;
        let port = simulator.telemetry_port(NAME).expect("it subscribes before it is initialised");
        books.add(disturb(port).await);
        books.disturbed.send_replace(done);
    }
}

/// Disturbs as soon as SHUTDOWN has come, while telemetry is still accepted.
async fn disturb_the_end(disturb: &Disturb, books: &Books, simulator: &Simulator) {
    let registered = books.reached.subscribe().wait_for(|times| *times > 0).await.map(drop);
    registered.expect("the books are ours");
    let stopping = lock(&books.handles)[0].stopping();
    stopping.await;
    let port = simulator.telemetry_port(NAME).expect("it has subscribed");
    books.add(disturb(port).await);
}

/// What is written down of all lives.
struct Books {
    /// How many lives have begun.
    lives: Mutex<usize>,
    handles: Mutex<Vec<Handle>>,
    ends: Mutex<Vec<String>>,
    /// What was accepted beside what the simulator sent, and deliveries whose records nobody can count.
    raw: Mutex<(u64, u64)>,
    /// How often the phase was reached, and how often it was disturbed.
    reached: watch::Sender<usize>,
    disturbed: watch::Sender<usize>,
}

impl Books {
    fn new() -> Self {
        Self {
            lives: Mutex::default(),
            handles: Mutex::default(),
            ends: Mutex::default(),
            raw: Mutex::default(),
            reached: watch::Sender::new(0),
            disturbed: watch::Sender::new(0),
        }
    }

    fn add(&self, (records, uncounted): (u64, u64)) {
        let mut raw = lock(&self.raw);
        *raw = (raw.0 + records, raw.1 + uncounted);
    }
}

/// The extension that a fault happens to.
struct Subject {
    script: Script,
    books: Arc<Books>,
    /// How often the fault has happened in all lives.
    faults: Arc<Mutex<usize>>,
}

impl Subject {
    async fn live(self, config: Config) -> Result<(), lambda_extension::ExtensionError> {
        let registered = config.register().await?;
        let handle = registered.registration().handle();
        lock(&self.books.handles).push(handle);
        if self.script.at == Shutdown && self.script.disturb.is_some() {
            self.books.reached.send_modify(|times| *times += 1);
        }
        if !self.script.constructed {
            return registered.run(self).await;
        }
        registered.run_with(async |_| self.reach(Init).await.map(|()| self)).await
    }

    async fn reach(&self, phase: Phase) -> Result<(), Error> {
        if phase != self.script.at {
            return Ok(());
        }
        {
            let mut faults = lock(&self.faults);
            if self.script.times == Times::Once && *faults > 0 {
                return Ok(());
            }
            *faults += 1;
        }
        if self.script.disturb.is_some() && !matches!(phase, Idle | Shutdown) {
            let mut reached = 0;
            self.books.reached.send_modify(|times| {
                *times += 1;
                reached = *times;
            });
            self.books.disturbed.subscribe().wait_for(|times| *times >= reached).await?;
        }
        match &self.script.act {
            Some(act) => act().await,
            None => Ok(()),
        }
    }
}

impl Extension for Subject {
    fn defaults() -> Defaults {
        Defaults::default()
    }

    async fn on_init(&mut self, _: &Registration) -> Result<(), Error> {
        if self.script.constructed { Ok(()) } else { self.reach(Init).await }
    }

    async fn on_invoke(&mut self, _: InvokeEvent) -> Result<(), Error> {
        self.reach(Invoke).await
    }

    async fn on_telemetry(&mut self, batch: Batch) -> Result<(), Error> {
        let idle = self.script.disturb.is_none()
            && batch.events().any(|event| String::from_utf8_lossy(event.raw()).contains(IDLE));
        if idle { self.reach(Idle).await } else { Ok(()) }
    }

    async fn on_flush(&mut self, event: FlushEvent) -> Result<(), Error> {
        if event.request_id.is_some() { self.reach(Flush).await } else { Ok(()) }
    }

    async fn on_shutdown(&mut self, _: ShutdownEvent) -> Result<(), Error> {
        self.reach(Shutdown).await
    }
}

/// What the caller got.
pub fn word(invocation: &Invocation) -> String {
    match (invocation.status, &invocation.error_type) {
        (Status::Success, _) => "200".to_owned(),
        (_, Some(error_type)) => error_type.clone(),
        (Status::Timeout, None) => "timeout".to_owned(),
        (status, None) => status.to_string(),
    }
}
