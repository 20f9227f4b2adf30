use extensions::{Error, NextEvent};

#[extensions::main(
    crate = "extensions",
    events(invoke, shutdown),
    flush = "shutdown",
    on_error = "continue",
    flavor = "multi_thread"
)]
async fn log_extension(event: NextEvent) -> Result<(), Error> {
    println!("{event:?}");
    Ok(())
}
