//! What was seen of a life, as rows of a picture.

use std::time::Duration;

use lambda_extension::Hook;
use lambda_extension::simulator::{Call, Report, Route, Status};

use crate::diary::{Diary, Entry};
use crate::picture::{Bar, Kind, Picture, Row};

const HOOKS: [Hook; 6] =
    [Hook::OnInit, Hook::OnRestore, Hook::OnInvoke, Hook::OnTelemetry, Hook::OnFlush, Hook::OnShutdown];

/// A stretch of a life that nobody's books have, such as a snapshot.
pub(crate) struct Stretch {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) from: Duration,
    pub(crate) to: Duration,
}

/// A life, of which the part between two moments is drawn.
pub(crate) struct Life {
    pub(crate) title: &'static str,
    pub(crate) report: Report,
    pub(crate) calls: Vec<Call>,
    pub(crate) diary: Diary,
    pub(crate) stretches: Vec<Stretch>,
    pub(crate) from: Duration,
    pub(crate) to: Duration,
}

impl Life {
    pub(crate) fn draw(&self) -> String {
        let mut rows = vec![Row { name: "Lambda", bars: self.phases() }];
        rows.extend(self.functions().into_iter().map(|bars| Row { name: "the function", bars }));
        rows.push(Row { name: "waits for the next event", bars: self.polls() });
        let entries = self.diary.entries();
        rows.extend(HOOKS.iter().filter_map(|hook| {
            let called = entries.iter().filter(|entry| entry.hook == *hook && self.shows(entry.from));
            let bars: Vec<_> = called.map(|entry| self.hook(entry)).collect();
            (!bars.is_empty()).then(|| Row { name: hook.as_str(), bars })
        }));
        Picture { title: self.title, rows, whole: self.to - self.from }.draw()
    }

    fn hook(&self, entry: &Entry) -> Bar {
        self.bar(Kind::Hook, entry.from, entry.to, "")
    }

    /// What Lambda did: Init, the invocations, SHUTDOWN, and between them the freezes.
    fn phases(&self) -> Vec<Bar> {
        let report = &self.report;
        let mut bars: Vec<Bar> =
            self.stretches.iter().map(|one| self.bar(one.kind, one.from, one.to, one.name)).collect();
        for init in &report.inits {
            bars.push(self.bar(Kind::Init, init.started, init.started + init.duration, "Init"));
        }
        for invocation in &report.invocations {
            let (kind, text) = match invocation.status {
                Status::Success => (Kind::Invoke, "Invoke"),
                _ => (Kind::Failed, "Invoke, and no answer"),
            };
            bars.push(self.bar(kind, invocation.started, invocation.started + invocation.duration, text));
        }
        for shutdown in &report.shutdowns {
            bars.push(self.bar(
                Kind::Shutdown,
                shutdown.started,
                shutdown.started + shutdown.duration,
                "Shutdown",
            ));
        }
        // What lies outside of the part that is drawn has no length in it.
        bars.retain(|bar| bar.to > bar.from);
        bars.sort_by_key(|bar| bar.from);
        joined(bars)
    }

    /// The function's part of each invocation; invocations at the same time have rows of their own.
    fn functions(&self) -> Vec<Vec<Bar>> {
        let mut rows: Vec<Vec<Bar>> = Vec::new();
        for invocation in &self.report.invocations {
            let runtime = invocation.runtime.unwrap_or(invocation.duration);
            let bar = self.bar(Kind::Function, invocation.started, invocation.started + runtime, "");
            if bar.to == bar.from {
                continue;
            }
            match rows.iter_mut().find(|row| row.last().is_none_or(|last| last.to <= bar.from)) {
                Some(row) => row.push(bar),
                None => rows.push(vec![bar]),
            }
        }
        rows
    }

    /// From each time the extension asked for the next event to the time it got one.
    fn polls(&self) -> Vec<Bar> {
        let ready = self
            .report
            .inits
            .iter()
            .flat_map(|init| init.extensions.iter().filter_map(|one| Some(init.started + one.ready?)));
        let asked = self.report.invocations.iter().flat_map(|invocation| {
            invocation.held.iter().filter_map(|one| Some(invocation.started + one.asked?))
        });
        let mut asked: Vec<_> = ready.chain(asked).collect();
        asked.sort();
        let answered = self.calls.iter().filter(|call| call.route == Some(Route::Next)).map(|call| call.at);
        asked.into_iter().zip(answered).map(|(from, to)| self.bar(Kind::Poll, from, to, "")).collect()
    }

    fn shows(&self, at: Duration) -> bool {
        (self.from..self.to).contains(&at)
    }

    fn bar(&self, kind: Kind, from: Duration, to: Duration, text: &'static str) -> Bar {
        let place = |at: Duration| at.clamp(self.from, self.to) - self.from;
        Bar { kind, from: place(from), to: place(to), text }
    }
}

/// Invocations at the same time are one stretch in which Lambda invokes.
fn joined(bars: Vec<Bar>) -> Vec<Bar> {
    let mut joined: Vec<Bar> = Vec::new();
    for bar in bars {
        match joined.last_mut() {
            Some(last) if last.kind == bar.kind && bar.from < last.to => last.to = last.to.max(bar.to),
            _ => joined.push(bar),
        }
    }
    joined
}
