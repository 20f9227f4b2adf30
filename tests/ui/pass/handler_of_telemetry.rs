use lambda_extension::{Error, telemetry::Batch};

#[lambda_extension::main(
    name = "my-extension",
    events(invoke, shutdown),
    telemetry(platform, function, extension),
    buffering(max_items = 1_000, max_bytes = 262_144, timeout_ms = 25),
    flush = "end",
    on_error = "exit",
    logging = "none",
)]
async fn keep(batch: Batch) -> Result<(), Error> {
    println!("{batch:?}");
    Ok(())
}
