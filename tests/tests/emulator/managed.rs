//! Lambda Managed Instances, the one mode in which AWS's emulator has telemetry.

use std::time::Duration;

use lambda_extension_tests::{Emulator, Extension, programs};

#[test]
fn the_telemetry_example_reads_everything_and_leaves_in_time() {
    let Some(emulator) = Emulator::builder() else { return };
    let emulator = emulator
        .managed()
        .extension(Extension::program(programs::example("telemetry")))
        .extension(
            Extension::program(programs::program("bare-extension"))
                .named("bare")
                .env("BARE_EVENTS", r#""SHUTDOWN""#),
        )
        .start();
    for _ in 0..3 {
        // A function that has answered takes a moment to ask for more, and this mode does not wait for it.
        let status = std::iter::repeat_with(|| emulator.invoke("{}").status).find(|status| *status != 400);
        assert_eq!(status, Some(200));
    }
    // Batches wait for a second here, so these come while the environment is up.
    for what in ["platform.initStart", "platform.start", "report: ", "the function logged "] {
        emulator.line(&["\"extension\":\"telemetry\"", what]);
    }
    emulator.line(&["\"extension\":\"telemetry\"", "an extension logged ", "bare: registered"]);
    // Its own lines come back as telemetry too, and are left out.
    let others = emulator.lines_with("an extension logged");
    assert!(others.iter().all(|line| line.contains("bare: ")), "{others:?}");
    let shutdown = emulator.terminate();
    assert!(shutdown.took < Duration::from_millis(500), "{shutdown:?}");
}
