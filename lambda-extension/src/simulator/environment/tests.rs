//! The table of states, the gates and the catalogue of errors, word by word.

use bytes::Bytes;

use super::*;

const STRANGER: &str = "11111111-2222-4333-8444-555555555555";

pub(super) fn environment(rules: Rules) -> Environment {
    let function = FunctionFacts {
        account_id: Some("123456789012".to_owned()),
        function_name: "orders".to_owned(),
        function_version: "$LATEST".to_owned(),
        handler: "index.handler".to_owned(),
    };
    Environment::new(rules, function, Random::seeded(1))
}

pub(super) fn invoke_event() -> Event {
    Event::Invoke {
        deadline_ms: 1_775_516_174_092,
        request_id: "29b2a6dc".to_owned(),
        arn: "arn:aws:lambda:eu-central-1:1234:function:f".to_owned(),
        trace: Some("Root=1-a;Parent=b;Sampled=1".to_owned()),
        event_id: "e".to_owned(),
    }
}

fn shutdown_event() -> Event {
    Event::Shutdown { deadline_ms: 1_753_729_342_123, reason: "spindown".to_owned() }
}

fn said(answer: &Answer) -> (u16, String, String) {
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
    (answer.status, text("errorType"), text("errorMessage"))
}

fn refused(answer: &Answer, error_type: &str, message: &str) {
    assert_eq!(said(answer), (403, error_type.to_owned(), message.to_owned()));
}

fn id_of(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{answer:?}");
    let (_, id) =
        answer.headers.iter().find(|(name, _)| *name == "Lambda-Extension-Identifier").expect("an id");
    id.clone()
}

fn registered(environment: &mut Environment, name: &str, events: &str) -> String {
    environment.launch(name).expect("room");
    id_of(&environment.register(name, "", format!("{{\"events\":[{events}]}}").as_bytes()))
}

const BOTH: &str = "\"INVOKE\",\"SHUTDOWN\"";

/// An extension named `a`, brought by legal calls into a state, and its identifier.
fn in_state(state: AgentState) -> (Environment, String) {
    let mut environment = environment(Rules::Default);
    if state == AgentState::Started || state == AgentState::LaunchError {
        environment.launch("a").expect("room");
        if state == AgentState::LaunchError {
            environment.launch_failed("a", "PermissionDenied");
        }
        let id = environment.agents[0].id.clone();
        return (environment, id);
    }
    let id = registered(&mut environment, "a", BOTH);
    match state {
        AgentState::Registered => {}
        AgentState::InitError => drop(environment.init_error(Some(&id), Some("Extension.A"))),
        AgentState::ExitError => drop(environment.exit_error(Some(&id), Some("Extension.A"))),
        _ => {
            assert!(environment.next(Some(&id), 1).is_none());
            if state != AgentState::Ready {
                environment.release(EventKind::Shutdown, &shutdown_event());
            }
            match state {
                AgentState::Exited => drop(environment.ended("a", true)),
                AgentState::ShutdownFailed => drop(environment.ended("a", false)),
                _ => {}
            }
        }
    }
    assert_eq!(environment.agents[0].state, state);
    (environment, id)
}

const ALL: [AgentState; 9] = [
    AgentState::Started,
    AgentState::Registered,
    AgentState::Ready,
    AgentState::Running,
    AgentState::InitError,
    AgentState::ExitError,
    AgentState::LaunchError,
    AgentState::Exited,
    AgentState::ShutdownFailed,
];

fn not_allowed(state: AgentState, target: &str, whom: &str) -> String {
    let from = state.name();
    format!(
        "State transition from {from} to {target} failed for extension {whom}. Error: State transition is not allowed"
    )
}

#[test]
fn register_is_legal_once() {
    for state in ALL {
        let (mut environment, _) = in_state(state);
        let answer = environment.register("a", "", b"{}");
        if state == AgentState::Started {
            assert_eq!(answer.status, 200);
            assert_eq!(environment.agents[0].state, AgentState::Registered);
        } else {
            refused(&answer, "Extension.InvalidExtensionState", &not_allowed(state, "Registered", "a"));
            assert_eq!(environment.agents[0].state, state, "a refusal changes nothing");
        }
    }
}

#[test]
fn next_is_legal_when_registered_or_running() {
    for state in ALL {
        let (mut environment, id) = in_state(state);
        let answer = environment.next(Some(&id), 2);
        if matches!(state, AgentState::Registered | AgentState::Running) {
            assert!(answer.is_none());
            assert_eq!(environment.agents[0].state, AgentState::Ready);
        } else {
            let answer = answer.expect("an answer");
            refused(&answer, "Extension.InvalidExtensionState", &not_allowed(state, "Ready", &id));
            assert_eq!(environment.agents[0].state, state, "a refusal changes nothing");
        }
    }
}

#[test]
fn init_error_is_legal_between_register_and_the_first_next() {
    for state in ALL {
        let (mut environment, id) = in_state(state);
        let answer = environment.init_error(Some(&id), Some("Extension.B"));
        if matches!(state, AgentState::Registered | AgentState::InitError) {
            assert_eq!(answer, Answer::accepted());
            let first = if state == AgentState::Registered { "Extension.B" } else { "Extension.A" };
            assert_eq!(environment.agents[0].error_type.as_deref(), Some(first));
        } else {
            refused(&answer, "Extension.InvalidExtensionState", &not_allowed(state, "InitError", &id));
            assert_eq!(environment.agents[0].state, state, "a refusal changes nothing");
        }
    }
}

#[test]
fn exit_error_is_legal_while_alive_and_its_target_is_called_exited() {
    for state in ALL {
        let (mut environment, id) = in_state(state);
        let answer = environment.exit_error(Some(&id), Some("Extension.B"));
        let alive = [AgentState::Registered, AgentState::Ready, AgentState::Running, AgentState::ExitError];
        if alive.contains(&state) {
            assert_eq!(answer, Answer::accepted());
            assert_eq!(environment.agents[0].state, AgentState::ExitError);
        } else {
            refused(&answer, "Extension.InvalidExtensionState", &not_allowed(state, "Exited", &id));
            assert_eq!(environment.agents[0].state, state, "a refusal changes nothing");
        }
    }
}

#[test]
fn a_poll_parked_over_an_exit_error_is_told_of_the_concurrent_change() {
    let (mut environment, id) = in_state(AgentState::Ready);
    environment.exit_error(Some(&id), Some("Extension.B"));
    let released = environment.release(EventKind::Shutdown, &shutdown_event());
    assert_eq!(released.len(), 1);
    refused(
        released[0].answer.as_ref().expect("an answer"),
        "Extension.InvalidExtensionState",
        &format!(
            "State transition from ExitError to Ready failed for extension {id}. \
             Error: Concurrent state modification"
        ),
    );
}

#[test]
fn an_event_released_while_running_waits_for_the_next_poll() {
    let (mut environment, id) = in_state(AgentState::Ready);
    assert_eq!(environment.release(EventKind::Invoke, &invoke_event()).len(), 1);
    assert!(environment.release(EventKind::Shutdown, &shutdown_event()).is_empty());
    assert_eq!(environment.next(Some(&id), 2).expect("at once"), shutdown_event().answer());
    assert!(environment.next(Some(&id), 3).is_none(), "it is given once");
}

#[test]
fn identifiers_are_checked_before_anything_else() {
    let mut environment = environment(Rules::Default);
    let missing = ("Extension.MissingExtensionIdentifier", "Missing Lambda-Extension-Identifier header");
    let invalid = ("Extension.InvalidExtensionIdentifier", "Invalid Lambda-Extension-Identifier");
    for (id, (error_type, message)) in [(None, missing), (Some(""), missing), (Some("7"), invalid)] {
        refused(&environment.next(id, 1).expect("an answer"), error_type, message);
        refused(&environment.init_error(id, None), error_type, message);
        refused(&environment.exit_error(id, None), error_type, message);
        for api in [Api::Telemetry, Api::Logs] {
            let answer = environment.check_subscription(api, id, b"{}").expect_err("refused");
            refused(&answer, error_type, message);
        }
    }
}

#[test]
fn a_stranger_is_unknown_in_the_words_of_each_route() {
    let mut environment = environment(Rules::Default);
    let stranger = Some(STRANGER);
    let unknown = "Extension.UnknownExtensionIdentifier";
    let named = format!("Unknown extension {STRANGER}");
    refused(&environment.next(stranger, 1).expect("an answer"), unknown, &named);
    refused(&environment.check_subscription(Api::Telemetry, stranger, b"").expect_err("no"), unknown, &named);
    let unnamed = "Unknown Lambda-Extension-Identifier";
    refused(&environment.init_error(stranger, Some("Extension.A")), unknown, unnamed);
    refused(&environment.exit_error(stranger, Some("Extension.A")), unknown, unnamed);
}

#[test]
fn an_error_without_its_header_is_refused() {
    let (mut environment, id) = in_state(AgentState::Registered);
    for answer in [environment.init_error(Some(&id), None), environment.exit_error(Some(&id), Some(""))] {
        refused(&answer, "Extension.MissingHeader", "Lambda-Extension-Function-Error-Type not found");
    }
    assert_eq!(environment.agents[0].state, AgentState::Registered);
}

#[test]
fn register_refuses_in_lambdas_order_and_words() {
    let mut environment = environment(Rules::Default);
    environment.launch("a").expect("room");
    let format = "InvalidRequestFormat";
    refused(&environment.register("", "", b""), "Extension.InvalidExtensionName", "Empty extension name");
    refused(&environment.register("a", "", b""), format, "unexpected end of JSON input");
    refused(&environment.register("a", "", b"{\"events\":["), format, "unexpected end of JSON input");
    refused(
        &environment.register("a", "", b"x"),
        format,
        "invalid character 'x' looking for beginning of value",
    );
    refused(
        &environment.register("a", "", b"{\"events\":[\"X\"],\"configurationKeys\":[\"k\"]}"),
        format,
        "configurationKeys are deprecated; use environment variables instead",
    );
    let event = "Extension.InvalidEventType";
    refused(
        &environment.register("a", "", b"{\"events\":[\"invoke\"]}"),
        event,
        "invoke: ErrorInvalidEventType",
    );
    refused(
        &environment.register("wrong", "", b"{\"events\":[\"INVOKE\",\"SHUTDOWN\"]}"),
        event,
        "SHUTDOWN: ShutdownEventNotSupportedForInternalExtension",
    );
    assert_eq!(environment.agents[0].state, AgentState::Started);
}

#[test]
fn no_events_are_as_good_as_some() {
    for body in ["{}", "{\"events\":null}", "{\"events\":[]}", "{\"events\":[\"INVOKE\",\"INVOKE\"]}"] {
        let mut environment = environment(Rules::Default);
        environment.launch("a").expect("room");
        assert_eq!(environment.register("a", "", body.as_bytes()).status, 200, "{body}");
    }
}

#[test]
fn the_account_is_told_to_those_who_ask() {
    let mut environment = environment(Rules::Default);
    environment.launch("a").expect("room");
    environment.launch("b").expect("room");
    let asked = environment.register("a", "other, accountId ", b"{}");
    assert_eq!(
        asked.body,
        "{\"accountId\":\"123456789012\",\"functionName\":\"orders\",\
         \"functionVersion\":\"$LATEST\",\"handler\":\"index.handler\"}\n"
    );
    let unasked = environment.register("b", "", b"{}");
    assert!(!String::from_utf8_lossy(&unasked.body).contains("accountId"));
}

#[test]
fn internal_extensions_meet_the_closing_the_limit_and_the_taken_name() {
    let mut environment = environment(Rules::Default);
    assert_eq!(environment.register("in", "", b"{\"events\":[\"INVOKE\"]}").status, 200);
    refused(
        &environment.register("in", "", b"{}"),
        "Extension.InvalidExtensionState",
        "Extension with this name already registered",
    );
    for number in 1..MAX_AGENTS {
        assert_eq!(environment.register(&format!("in{number}"), "", b"{}").status, 200);
    }
    refused(
        &environment.register("in", "", b"{}"),
        "Extension.TooManyExtensions",
        "Extension limit (10) reached",
    );
    environment.runtime.next(1);
    refused(
        &environment.register("late", "", b"{}"),
        "Extension.RegistrationClosed",
        "Extension registration closed already",
    );
}

#[test]
fn the_eleventh_file_is_a_launch_error() {
    let mut environment = environment(Rules::Default);
    for number in 0..MAX_AGENTS {
        environment.launch(&number.to_string()).expect("room");
    }
    assert_eq!(environment.launch("eleventh"), Err(TooManyExtensions));
    assert_eq!(environment.first_fatal(), Some("Extension.LaunchError"));
    assert_eq!(environment.agents[10].error_type.as_deref(), Some("TooManyExtensions"));
}

#[test]
fn managed_instances_know_shutdown_only() {
    let mut environment = environment(Rules::ManagedInstances);
    environment.launch("a").expect("room");
    let event = "Extension.InvalidEventType";
    refused(
        &environment.register("a", "", b"{\"events\":[\"INVOKE\"]}"),
        event,
        "INVOKE: ErrorInvalidEventType",
    );
    refused(
        &environment.register("in", "", b"{\"events\":[\"INVOKE\"]}"),
        event,
        "INVOKE: No events allowed for internal extensions",
    );
    assert_eq!(environment.register("in", "", b"{}").status, 200);
    assert_eq!(environment.register("a", "", b"{\"events\":[\"SHUTDOWN\"]}").status, 200);
}

#[test]
fn init_waits_for_everybody_and_an_invocation_for_those_it_was_given_to() {
    let mut environment = environment(Rules::Default);
    environment.launch("a").expect("room");
    environment.launch("b").expect("room");
    assert!(!environment.externals_registered());
    let a = id_of(&environment.register("a", "", b"{\"events\":[\"INVOKE\"]}"));
    let b = id_of(&environment.register("b", "", b"{\"events\":[\"SHUTDOWN\"]}"));
    assert!(environment.externals_registered());
    let inner = id_of(&environment.register("inner", "", b"{}"));
    environment.runtime.next(1);
    for (poll, id) in [(2, &a), (3, &b), (4, &inner)] {
        assert!(!environment.init_done());
        assert!(environment.next(Some(id), poll).is_none());
    }
    assert!(environment.init_done());
    let released = environment.release(EventKind::Invoke, &invoke_event());
    assert_eq!(released.iter().map(|one| one.poll).collect::<Vec<_>>(), [2]);
    assert!(!environment.invoke_agents_ready());
    assert!(environment.next(Some(&a), 5).is_none());
    assert!(environment.invoke_agents_ready());
}

#[test]
fn subscriptions_close_with_init_and_the_two_apis_exclude_each_other() {
    let (mut environment, id) = in_state(AgentState::Registered);
    let telemetry =
        br#"{"schemaVersion":"2025-01-29","types":["platform"],"destination":{"protocol":"TCP","port":9}}"#;
    let subscription = environment.check_subscription(Api::Telemetry, Some(&id), telemetry).expect("valid");
    assert!(!environment.subscribe(&id, subscription));
    let both = environment.check_subscription(Api::Logs, Some(&id), telemetry).expect_err("one of the two");
    assert_eq!(both.status, 400);
    environment.close_subscription();
    refused(
        &environment.check_subscription(Api::Telemetry, Some(&id), telemetry).expect_err("closed"),
        "Telemetry.SubscriptionClosed",
        "Telemetry API subscription is closed already",
    );
}

#[test]
fn an_equal_logs_subscription_is_entered_once() {
    let (mut environment, id) = in_state(AgentState::Registered);
    let body = br#"{"types":["platform"],"destination":{"protocol":"TCP","port":9}}"#;
    for known in [false, true] {
        let subscription = environment.check_subscription(Api::Logs, Some(&id), body).expect("valid");
        assert_eq!(environment.subscribe(&id, subscription), known);
    }
    assert_eq!(environment.subscriptions.len(), 1);
}

#[test]
fn any_end_before_shutdown_is_a_fault_named_by_what_was_reported() {
    for (state, error) in [
        (AgentState::Started, "Extension.Crash"),
        (AgentState::Registered, "Extension.Crash"),
        (AgentState::Ready, "Extension.Crash"),
        (AgentState::Running, "Extension.Crash"),
        (AgentState::InitError, "Extension.InitError"),
        (AgentState::ExitError, "Extension.ExitError"),
    ] {
        let (mut environment, _) = in_state(state);
        let released = environment.crashed("a");
        assert_eq!(released.is_some(), state == AgentState::Ready, "{state:?}");
        assert_eq!(environment.first_fatal(), Some(error), "{state:?}");
        environment.fatal("Runtime.ExitError");
        assert_eq!(environment.first_fatal(), Some(error), "the first one counts");
    }
}

#[test]
fn a_reset_forgets_identifiers_and_opens_what_was_closed() {
    let (mut environment, id) = in_state(AgentState::Ready);
    environment.runtime.next(9);
    environment.close_subscription();
    let mut closed: Vec<_> = environment.reset().into_iter().map(|one| (one.poll, one.answer)).collect();
    closed.sort_by_key(|(poll, _)| *poll);
    assert_eq!(closed, [(1, None), (9, None)]);
    let answer = environment.next(Some(&id), 2).expect("an answer");
    assert_eq!(said(&answer).1, "Extension.UnknownExtensionIdentifier");
    environment.launch("a").expect("room");
    assert_ne!(id_of(&environment.register("a", "", b"{}")), id);
}

#[test]
fn events_look_as_lambda_sends_them() {
    let invoke = invoke_event().answer();
    assert_eq!(
        invoke.body,
        "{\"eventType\":\"INVOKE\",\"deadlineMs\":1775516174092,\"requestId\":\"29b2a6dc\",\
         \"invokedFunctionArn\":\"arn:aws:lambda:eu-central-1:1234:function:f\",\
         \"tracing\":{\"type\":\"X-Amzn-Trace-Id\",\"value\":\"Root=1-a;Parent=b;Sampled=1\"}}"
    );
    assert!(invoke.headers.contains(&("Lambda-Extension-Event-Identifier", "e".to_owned())));
    let shutdown = shutdown_event().answer();
    assert_eq!(
        shutdown.body,
        "{\"eventType\":\"SHUTDOWN\",\"deadlineMs\":1753729342123,\"shutdownReason\":\"spindown\"}"
    );
    assert_eq!(shutdown.headers, [("Content-Type", "text/plain; charset=utf-8".to_owned())]);
}

#[test]
fn a_runtime_answers_each_invocation_once() {
    let mut runtime = Runtime::new(false);
    assert!(runtime.next(1).0.is_none());
    let answer = Answer::new(200, "application/json", "{}");
    let released = runtime.invoke(Invoke { request_id: "r".to_owned(), answer }).expect("a parked poll");
    assert_eq!(released.poll, 1);
    let ok = || Outcome::Response(Bytes::from_static(b"1"));
    assert_eq!(said(&runtime.finish("other", ok())).1, "InvalidRequestID");
    assert_eq!(runtime.finish("r", ok()).status, 202);
    assert_eq!(said(&runtime.finish("r", ok())).1, "InvalidStateTransition");
    assert_eq!(runtime.next(2).1.as_deref(), Some("r"));
}

#[test]
fn a_response_beyond_the_limit_is_refused_and_fails_the_invocation() {
    let mut runtime = Runtime::new(false);
    runtime.next(1);
    let answer = Answer::new(200, "application/json", "{}");
    runtime.invoke(Invoke { request_id: "r".to_owned(), answer });
    let huge = Outcome::Response(Bytes::from(vec![b' '; MAX_PAYLOAD + 1]));
    assert_eq!(runtime.finish("r", huge).status, 413);
    assert!(
        matches!(runtime.outcome("r"), Some(Outcome::Error { error_type, .. }) if error_type == "Function.ResponseSizeTooLarge")
    );
}
